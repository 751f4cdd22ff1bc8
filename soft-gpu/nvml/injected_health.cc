// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/nvml/injected_health.h"

#include <cerrno>
#include <charconv>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"

namespace farlane::soft {
namespace {

constexpr size_t kFileBytesMax = 64 << 10;

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) {
    return {};
  }
  return text.substr(start, text.find_last_not_of(kBlank) - start + 1);
}

template <typename T>
bool ReadNumber(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Status Refuse(std::string_view line) {
  return {StatusCode::kInvalidArgument,
          "FARLANE_SOFT_HEALTH: \"" + std::string(line) + "\" is not of the form temperature = 91"};
}

Status ReadLine(std::string_view line, InjectedHealth* health) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return Refuse(line);
  }
  std::string_view name = Trim(line.substr(0, equals));
  const std::string_view text = Trim(line.substr(equals + 1));
  if (name == "driver_version") {
    health->driver_version = text;
    return Status::Ok();
  }
  InjectedHealth::Value value;
  if (const size_t dot = name.find('.'); dot != std::string_view::npos) {
    if (!ReadNumber(name.substr(0, dot), &value.device)) {
      return Refuse(line);
    }
    value.all = false;
    name.remove_prefix(dot + 1);
  }
  const std::optional<nvml::Gauge> gauge = nvml::GaugeNamed(name);
  if (!gauge.has_value() || !ReadNumber(text, &value.value)) {
    return Refuse(line);
  }
  value.gauge = *gauge;
  health->values.push_back(value);
  return Status::Ok();
}

}  // namespace

Result<InjectedHealth> InjectedHealth::Parse(std::string_view text) {
  InjectedHealth health;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view whole = text.substr(0, end);
    const std::string_view line = Trim(whole.substr(0, whole.find('#')));
    if (!line.empty()) {
      FARLANE_TRY(ReadLine(line, &health));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return health;
}

void InjectedHealth::Apply(uint32_t device, nvml::Gauges* gauges) const {
  for (const Value& value : values) {
    if (value.all || value.device == device) {
      gauges->Set(value.gauge, value.value);
    }
  }
}

Result<InjectedHealth> ReadInjectedHealth() {
  const std::optional<std::string> path = Environment("FARLANE_SOFT_HEALTH");
  if (!path.has_value()) {
    return InjectedHealth{};
  }
  const Fd file(open(path->c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot read FARLANE_SOFT_HEALTH " + *path,
                             errno);
  }
  std::string text(kFileBytesMax, '\0');
  const ssize_t size = read(file.get(), text.data(), text.size());
  if (size < 0) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot read FARLANE_SOFT_HEALTH " + *path,
                             errno);
  }
  return InjectedHealth::Parse(std::string_view(text).substr(0, static_cast<size_t>(size)));
}

}  // namespace farlane::soft
