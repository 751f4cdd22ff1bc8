// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/coredump_settings.h"

#include <cstring>

#include <unistd.h>

#include "protocol/abi/driver_environment.h"
#include "protocol/abi/error_log.h"

namespace farlane::abi {
namespace {

constexpr uint32_t kFlagsKnown = CU_COREDUMP_LIGHTWEIGHT_FLAGS | CU_COREDUMP_SKIP_ABORT;

bool IsText(CUcoredumpSettings id) {
  return id == CU_COREDUMP_FILE || id == CU_COREDUMP_PIPE;
}

bool IsSwitch(CUcoredumpSettings id) {
  return id == CU_COREDUMP_ENABLE_ON_EXCEPTION || id == CU_COREDUMP_TRIGGER_HOST ||
         id == CU_COREDUMP_LIGHTWEIGHT || id == CU_COREDUMP_ENABLE_USER_TRIGGER;
}

// 0 for what is no setting.
size_t BytesOf(CUcoredumpSettings id) {
  if (IsText(id)) {
    return CoredumpSettings::kTextBytes;
  }
  return IsSwitch(id) ? sizeof(bool) : id == CU_COREDUMP_GENERATION_FLAGS ? sizeof(int) : 0;
}

std::string UsualName(CUcoredumpSettings id) {
  char host[256] = "";
  static_cast<void>(gethostname(host, sizeof host - 1));  // none: the name is shorter
  return std::string(id == CU_COREDUMP_FILE ? "core" : "corepipe") + ".cuda." + host + "." +
         std::to_string(getpid());
}

std::optional<std::string> Cut(std::optional<std::string> text) {
  if (text.has_value() && text->size() >= CoredumpSettings::kTextBytes) {
    text->resize(CoredumpSettings::kTextBytes - 1);
  }
  return text;
}

}  // namespace

CoredumpSettings& CoredumpSettings::OfProgram() {
  static CoredumpSettings* const settings = [] {
    auto* const made = new CoredumpSettings(nullptr);  // never destroyed, as ErrorLog
    const CoredumpWishes wishes = CoredumpWishes::FromEnvironment();
    made->values_.With([&wishes](Values& values) {
      values = {.flags = wishes.flags, .file = Cut(wishes.file), .pipe = Cut(wishes.pipe)};
    });
    return made;
  }();
  return *settings;
}

uint32_t CoredumpSettings::flags() const {
  const std::optional<uint32_t> own =
      values_.With([](const Values& values) { return values.flags; });
  return own.has_value() ? *own : program_ != nullptr ? program_->flags() : 0;
}

std::string CoredumpSettings::TextOf(CUcoredumpSettings id) const {
  const std::optional<std::string> own = values_.With(
      [id](const Values& values) { return id == CU_COREDUMP_FILE ? values.file : values.pipe; });
  return own.has_value() ? *own : program_ != nullptr ? program_->TextOf(id) : UsualName(id);
}

CUresult CoredumpSettings::Tell(CUcoredumpSettings id, void* value, size_t* size) const {
  const size_t bytes = BytesOf(id);
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (value == nullptr) {
    *size = bytes;
    return CUDA_SUCCESS;
  }
  if (IsText(id)) {
    const std::string text = TextOf(id);
    if (*size <= text.size()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    memcpy(value, text.c_str(), text.size() + 1);
    return CUDA_SUCCESS;
  }
  if (*size < bytes) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint32_t now = flags();
  if (id == CU_COREDUMP_GENERATION_FLAGS) {
    memcpy(value, &now, bytes);
    return CUDA_SUCCESS;
  }
  const bool on = id == CU_COREDUMP_TRIGGER_HOST ? (now & CU_COREDUMP_SKIP_ABORT) == 0
                  : id == CU_COREDUMP_LIGHTWEIGHT
                      ? (now & CU_COREDUMP_LIGHTWEIGHT_FLAGS) == CU_COREDUMP_LIGHTWEIGHT_FLAGS
                      : false;  // the others cannot be switched on
  memcpy(value, &on, bytes);
  return CUDA_SUCCESS;
}

CUresult CoredumpSettings::SetSwitch(CUcoredumpSettings id, bool on) {
  if (id == CU_COREDUMP_ENABLE_ON_EXCEPTION || id == CU_COREDUMP_ENABLE_USER_TRIGGER) {
    if (on) {
      ErrorLog::Explain(CUDA_ERROR_NOT_SUPPORTED, "no core dumps of a GPU are made here");
    }
    return on ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
  }
  const bool lightweight = id == CU_COREDUMP_LIGHTWEIGHT;
  const uint32_t part = lightweight ? CU_COREDUMP_LIGHTWEIGHT_FLAGS : CU_COREDUMP_SKIP_ABORT;
  const uint32_t before = flags();
  const uint32_t after = on == lightweight ? before | part : before & ~part;
  values_.With([after](Values& values) { values.flags = after; });
  return CUDA_SUCCESS;
}

CUresult CoredumpSettings::Set(CUcoredumpSettings id, const void* value, size_t* size) {
  const size_t bytes = BytesOf(id);
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (value == nullptr) {
    *size = bytes;
    return CUDA_SUCCESS;
  }
  if (program_ != nullptr && (id == CU_COREDUMP_PIPE || id == CU_COREDUMP_ENABLE_USER_TRIGGER)) {
    return CUDA_ERROR_NOT_PERMITTED;  // there is one for all contexts
  }
  if (IsText(id)) {
    const auto* const text = static_cast<const char*>(value);
    const size_t length = strnlen(text, *size);
    if (length >= kTextBytes) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    values_.With([&](Values& values) {
      (id == CU_COREDUMP_FILE ? values.file : values.pipe) = std::string(text, length);
    });
    return CUDA_SUCCESS;
  }
  if (*size < bytes) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (IsSwitch(id)) {
    uint8_t on = 0;  // any byte may lie there
    memcpy(&on, value, sizeof on);
    return SetSwitch(id, on != 0);
  }
  uint32_t wanted = 0;
  memcpy(&wanted, value, sizeof wanted);
  if ((wanted & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  values_.With([wanted](Values& values) { values.flags = wanted; });
  return CUDA_SUCCESS;
}

}  // namespace farlane::abi
