// SPDX-License-Identifier: Apache-2.0
// Launches from before cuLaunchKernel: what a launch needs is set bit by bit beforehand.
#include "protocol/abi/launch_drafts.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult Prove(CUfunction function) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  return FindFunction(call, function, &use);
}

CUresult Launch(CUfunction function, int width, int height, CUstream stream) {
  return abi::LaunchDrafts::Get().Launch(function, width, height, stream, &cuLaunchKernel);
}

CUresult SetArgument(CUfunction function, int offset, const void* from, unsigned int bytes) {
  FARLANE_SOFT_TRY(Prove(function));
  return abi::LaunchDrafts::Get().SetArgument(function, offset, from, bytes);
}

}  // namespace

CUresult cuFuncSetBlockShape(CUfunction hfunc, int x, int y, int z) {
  FARLANE_SOFT_TRY(Prove(hfunc));
  return abi::LaunchDrafts::Get().SetBlock(hfunc, x, y, z);
}

CUresult cuFuncSetSharedSize(CUfunction hfunc, unsigned int bytes) {
  FARLANE_SOFT_TRY(Prove(hfunc));
  return abi::LaunchDrafts::Get().SetShared(hfunc, bytes);
}

CUresult cuParamSetSize(CUfunction hfunc, unsigned int numbytes) {
  FARLANE_SOFT_TRY(Prove(hfunc));
  return abi::LaunchDrafts::Get().SetArgumentBytes(hfunc, numbytes);
}

CUresult cuParamSeti(CUfunction hfunc, int offset, unsigned int value) {
  return SetArgument(hfunc, offset, &value, sizeof value);
}

CUresult cuParamSetf(CUfunction hfunc, int offset, float value) {
  return SetArgument(hfunc, offset, &value, sizeof value);
}

CUresult cuParamSetv(CUfunction hfunc, int offset, void* ptr, unsigned int numbytes) {
  return SetArgument(hfunc, offset, ptr, numbytes);
}

CUresult cuLaunch(CUfunction f) {
  return Launch(f, 1, 1, nullptr);
}

CUresult cuLaunchGrid(CUfunction f, int grid_width, int grid_height) {
  return Launch(f, grid_width, grid_height, nullptr);
}

CUresult cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height, CUstream hStream) {
  return Launch(f, grid_width, grid_height, hStream);
}

}  // namespace farlane::soft
