// SPDX-License-Identifier: Apache-2.0
#include "client-shim/clusters.h"

#include "client-shim/answers.h"
#include "client-shim/launch_attributes.h"

namespace farlane::shim {
namespace {

CUresult Ask(const CallScope& scope,
             CUfunction function,
             const CUlaunchConfig* config,
             bool largest_size,
             uint64_t* answer) {
  if (!scope.Knows(function)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  LaunchAttributes attributes;
  const CUresult readable = attributes.Read(config);
  if (readable != CUDA_SUCCESS) {
    return readable;
  }
  wire::OccupancyOfClustersReply reply;
  const CUresult result = AskOnce(scope,
                                  wire::OccupancyOfClusters{.function = ToWire(function),
                                                            .grid_x = config->gridDimX,
                                                            .grid_y = config->gridDimY,
                                                            .grid_z = config->gridDimZ,
                                                            .block_x = config->blockDimX,
                                                            .block_y = config->blockDimY,
                                                            .block_z = config->blockDimZ,
                                                            .shared_bytes = config->sharedMemBytes,
                                                            .largest_size = largest_size ? 1u : 0u,
                                                            .attributes = attributes.records()},
                                  &reply);
  *answer = static_cast<uint64_t>(reply.clusters);
  return result;
}

}  // namespace

CUresult ActiveClusters(const CallScope& scope,
                        CUfunction function,
                        const CUlaunchConfig* config,
                        uint64_t* clusters) {
  return Ask(scope, function, config, false, clusters);
}

CUresult LargestCluster(const CallScope& scope,
                        CUfunction function,
                        const CUlaunchConfig* config,
                        uint64_t* blocks) {
  return Ask(scope, function, config, true, blocks);
}

}  // namespace farlane::shim
