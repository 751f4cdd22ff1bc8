// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "protocol/base/fd.h"
#include "protocol/nvml/answers/about.h"
#include "protocol/nvml/answers/give.h"
#include "protocol/nvml/answers/look.h"
#include "protocol/nvml/bodies.h"

namespace farlane::nvml {

nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
  if ((flags & ~7u) != 0) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return Library::Get().Init();
}

nvmlReturn_t nvmlShutdown() {
  return Library::Get().Shutdown();
}

const char* nvmlErrorString(nvmlReturn_t result) {
  switch (result) {
    case NVML_SUCCESS:
      return "Success";
    case NVML_ERROR_UNINITIALIZED:
      return "nvmlInit has not been called";
    case NVML_ERROR_INVALID_ARGUMENT:
      return "Not a valid argument";
    case NVML_ERROR_NOT_SUPPORTED:
      return "Not supported";
    case NVML_ERROR_NO_PERMISSION:
      return "No permission";
    case NVML_ERROR_ALREADY_INITIALIZED:
      return "Already initialized";
    case NVML_ERROR_NOT_FOUND:
      return "Not found";
    case NVML_ERROR_INSUFFICIENT_SIZE:
      return "The buffer is too small";
    case NVML_ERROR_DRIVER_NOT_LOADED:
      return "No driver: there is no GPU server, or it cannot be reached";
    case NVML_ERROR_TIMEOUT:
      return "Not in time";
    case NVML_ERROR_LIBRARY_NOT_FOUND:
      return "A library is missing";
    case NVML_ERROR_FUNCTION_NOT_FOUND:
      return "There is no such function";
    case NVML_ERROR_GPU_IS_LOST:
      return "The GPU is lost";
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH:
      return "Library and server are of different versions";
    case NVML_ERROR_MEMORY:
      return "Not enough memory";
    case NVML_ERROR_NO_DATA:
      return "There is no data";
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH:
      return "A struct of another version";
    case NVML_ERROR_GPU_NOT_FOUND:
      return "There is no such GPU";
    case NVML_ERROR_UNKNOWN:
      return "Unknown error";
    default:
      return "An error that this library does not give";
  }
}

// Processes of a session run on this machine, so this machine knows them best.
nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char* name, unsigned int length) {
  const Look look;
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (name == nullptr || length == 0) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  char path[48];
  snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return errno == EACCES ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_NOT_FOUND;
  }
  char line[4096];
  const ssize_t size = read(file.get(), line, sizeof line - 1);
  if (size <= 0) {
    return NVML_ERROR_NOT_FOUND;  // one that has ended, or a thread of the kernel
  }
  line[size] = '\0';
  // Its first word; a name that does not fit is cut, as programs expect.
  const std::string_view whole(line);
  return GiveText(name, length, whole.substr(0, length - 1));
}

// Whatever the server is, it is not the machine that this program runs on.
nvmlReturn_t nvmlSystemGetConfComputeSettings(nvmlSystemConfComputeSettings_t* settings) {
  const Look look;
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (settings == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const unsigned int version = StructVersion<nvmlSystemConfComputeSettings_t>(1);
  if (settings->version != version) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  *settings = {};
  settings->version = version;
  return NVML_SUCCESS;
}

}  // namespace farlane::nvml
