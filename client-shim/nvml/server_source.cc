// SPDX-License-Identifier: Apache-2.0
// Where the client's libnvidia-ml has its reports from: one question to the GPU server, on a
// connection of its own, without a worker and without a GPU. A program that only monitors, or
// counts devices before it forks, takes nothing of the server.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "client-shim/config.h"
#include "client-shim/hello.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/nvml/answers/source.h"
#include "protocol/transport/address_list.h"

namespace farlane::shim {
namespace {

// For the report, once the server has begun to answer.
constexpr uint64_t kReportNs = 2'000'000'000;

// Thread: one at a time.
class ServerSource final : public nvml::Source {
 public:
  ServerSource(transport::Address server, Config config)
      : server_(std::move(server)), config_(std::move(config)) {}

  nvmlReturn_t Look(nvml::Report* report) override;

 private:
  Status Receive(transport::Stream& stream, nvml::Report* report) const;
  // The first time that something fails, it is said. `never`: and the server was never there.
  nvmlReturn_t Fail(nvmlReturn_t result, const std::string& why);

  const transport::Address server_;
  const Config config_;
  bool answered_ = false;
  bool told_ = false;
};

nvmlReturn_t ResultOf(wire::Verdict verdict) {
  switch (verdict) {
    case wire::Verdict::kRefused:
      return NVML_ERROR_NO_PERMISSION;
    case wire::Verdict::kWrongVersion:
    case wire::Verdict::kBadHello:
      return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    default:
      return NVML_ERROR_DRIVER_NOT_LOADED;
  }
}

nvmlReturn_t ServerSource::Fail(nvmlReturn_t result, const std::string& why) {
  if (!told_) {
    LogError("NVML: %s", why.c_str());
    told_ = true;
  }
  return answered_ ? NVML_ERROR_GPU_IS_LOST : result;
}

Status ServerSource::Receive(transport::Stream& stream, nvml::Report* report) const {
  const uint64_t deadline = NowNs() + kReportNs;
  nvml::ReportHead head{};
  FARLANE_TRY(ReceiveAll(stream, std::as_writable_bytes(std::span(&head, 1)), deadline));
  if (head.version != nvml::kReportVersion || head.bytes > nvml::kReportBytesMax) {
    return Status(StatusCode::kMismatch, "its report has a form that this library does not know");
  }
  std::string bytes(head.bytes, '\0');
  FARLANE_TRY(ReceiveAll(stream, std::as_writable_bytes(std::span(bytes)), deadline));
  return nvml::UnpackReport(bytes, report)
             ? Status::Ok()
             : Status(StatusCode::kCorrupt, "its report does not make sense");
}

nvmlReturn_t ServerSource::Look(nvml::Report* report) {
  Result<Introduction> met = Introduce(server_, config_, wire::Purpose::kStatus, 0);
  if (!met.ok()) {
    return Fail(NVML_ERROR_DRIVER_NOT_LOADED, met.error().message());
  }
  if (met->answer.verdict != wire::Verdict::kWelcome) {
    return Fail(ResultOf(met->answer.verdict),
                server_.ToString() + " does not answer us: " + WhyNotWelcome(met->answer));
  }
  const Status received = Receive(*met->stream, report);
  if (!received.ok()) {
    return Fail(received.code() == StatusCode::kTimeout ? NVML_ERROR_TIMEOUT : NVML_ERROR_UNKNOWN,
                server_.ToString() + ": " + received.message());
  }
  answered_ = true;
  told_ = false;
  return NVML_SUCCESS;
}

// The devices of several servers, one behind the other. Thread: one at a time.
class SeveralSources final : public nvml::Source {
 public:
  explicit SeveralSources(std::vector<std::unique_ptr<nvml::Source>> sources)
      : sources_(std::move(sources)) {}

  // One that does not answer fails all: those behind it would have other numbers.
  nvmlReturn_t Look(nvml::Report* report) override {
    nvml::Report all;
    for (const std::unique_ptr<nvml::Source>& source : sources_) {
      nvml::Report one;
      const nvmlReturn_t result = source->Look(&one);
      if (result != NVML_SUCCESS) {
        return result;
      }
      Append(std::move(one), &all);
    }
    *report = std::move(all);
    return NVML_SUCCESS;
  }

 private:
  static void Append(nvml::Report one, nvml::Report* all) {
    const size_t first = all->gpus.size();
    all->cuda_version =
        first == 0 ? one.cuda_version : std::min(all->cuda_version, one.cuda_version);
    all->driver_version = first == 0 ? std::move(one.driver_version) : all->driver_version;
    for (nvml::Gpu& gpu : one.gpus) {
      gpu.peers = first < 64 ? gpu.peers << first : 0;  // what it reaches has other numbers now
      if (all->gpus.size() < nvml::kReportGpusMax) {
        all->gpus.push_back(std::move(gpu));
      }
    }
  }

  const std::vector<std::unique_ptr<nvml::Source>> sources_;
};

// What is wrong with the environment; nothing when all is well.
std::string Objection(const Config& config) {
  if (!config.token_error.empty()) {
    return config.token_error;
  }
  if (!config.session_error.empty()) {
    return config.session_error;
  }
  if (!config.setting_error.empty()) {
    return config.setting_error;
  }
  if (!config.server.has_value()) {
    return config.pool.has_value()
               ? "FARLANE_POOL alone names no session to look at; start the program with farlane "
                 "run"
               : "no GPU server: set FARLANE_SERVER=tcp://HOST:PORT, or start the program with "
                 "`farlane run`";
  }
  return "";
}

}  // namespace
}  // namespace farlane::shim

namespace farlane::nvml {

std::unique_ptr<Source> MakeSource(nvmlReturn_t* why) {
  *why = NVML_ERROR_DRIVER_NOT_LOADED;
  shim::Config config = shim::Config::FromEnvironment();
  const std::string objection = shim::Objection(config);
  if (!objection.empty()) {
    LogError("NVML: %s", objection.c_str());
    return nullptr;
  }
  Result<std::vector<transport::Address>> servers = transport::ParseAddressList(*config.server);
  if (!servers.ok()) {
    LogError("NVML: FARLANE_SERVER: %s", servers.error().message().c_str());
    return nullptr;
  }
  std::vector<std::unique_ptr<Source>> sources;
  for (transport::Address& server : *servers) {
    const auto number = static_cast<uint32_t>(sources.size());
    sources.push_back(
        std::make_unique<shim::ServerSource>(std::move(server), config.ForServer(number)));
  }
  return sources.size() == 1 ? std::move(sources.front())
                             : std::make_unique<shim::SeveralSources>(std::move(sources));
}

}  // namespace farlane::nvml
