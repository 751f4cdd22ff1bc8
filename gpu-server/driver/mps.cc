// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/driver/mps.h"

#include <cstdlib>
#include <string>

#include <unistd.h>

#include "protocol/base/bytes.h"
#include "protocol/base/environment.h"

namespace farlane::server {
namespace {

// Where the service is, unless the environment says otherwise; it keeps the number of its process
// there.
constexpr char kFolder[] = "/tmp/nvidia-mps";
constexpr char kPidFile[] = "/nvidia-cuda-mps-control.pid";

}  // namespace

Status CheckMps() {
  const std::string folder = Environment("CUDA_MPS_PIPE_DIRECTORY").value_or(kFolder);
  if (access((folder + kPidFile).c_str(), F_OK) != 0) {
    return Status(StatusCode::kUnavailable,
                  "--mps needs the MPS control daemon, and there is none in " + folder +
                      " (nvidia-cuda-mps-control -d starts it; CUDA_MPS_PIPE_DIRECTORY says where "
                      "it is)");
  }
  return Status::Ok();
}

void JoinMps(const MpsPart& part) {
  if (!part.wanted()) {
    return;
  }
  setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", std::to_string(part.percent).c_str(), 1);
  if (part.memory_bytes == 0) {
    return;
  }
  // "0=512M,1=512M": by device, in whole mebibytes.
  const std::string size = std::to_string((part.memory_bytes + 1_MiB - 1) / 1_MiB) + "M";
  std::string limits;
  for (size_t device = 0; device < part.devices_count; ++device) {
    limits += (device == 0 ? "" : ",") + std::to_string(device) + "=" + size;
  }
  setenv("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", limits.c_str(), 1);
}

}  // namespace farlane::server
