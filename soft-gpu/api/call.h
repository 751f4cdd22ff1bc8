// SPDX-License-Identifier: Apache-2.0
// What every body begins with: the driver, the calling thread's context, and the objects behind
// handles, or the error that the manual demands where one of them is missing. No handle is used
// before it was found here.
#pragma once

#include <memory>

#include "protocol/abi/cuda_abi.h"
#include "soft-gpu/device/current_context.h"
#include "soft-gpu/device/driver.h"

// Returns the result of `expression` to the program unless it is success.
#define FARLANE_SOFT_TRY(expression)                                      \
  do {                                                                    \
    if (const CUresult result_ = (expression); result_ != CUDA_SUCCESS) { \
      return result_;                                                     \
    }                                                                     \
  } while (false)

namespace farlane::soft {

// A call that needs no context. Use `driver` only if `result` is success.
// Thread: caller's.
struct PlainCall {
  PlainCall();

  Driver* driver = nullptr;
  CUresult result = CUDA_SUCCESS;
};

// A call that works in the calling thread's context, which is alive and has not failed.
// Thread: caller's.
struct ContextCall : PlainCall {
  ContextCall();

  std::shared_ptr<Context> context;  // to which belongs what the call makes
  std::shared_ptr<Context> current;  // the same, or a green one of it, whose streams are meant
};

struct StreamUse {
  std::shared_ptr<Context> context;  // the stream's own
  std::shared_ptr<Stream> stream;
};

// Finds what a canonical stream handle means; the context it lives in may not have failed.
CUresult FindStream(const ContextCall& call, CUstream handle, StreamUse* use);
// What a capture has to know of a stream.
graph::StreamTraits TraitsOf(const StreamUse& use);
// Puts work into a stream, or as a node into the graph that records the stream. `done_or_null`: its
// completion, which for a node is there already.
CUresult Put(const ContextCall& call,
             const StreamUse& use,
             Work work,
             SharedCompletion* done_or_null = nullptr);
// For a call that may not be while the stream is captured: spoils the capture.
CUresult RefuseCaptured(const ContextCall& call, const StreamUse& use);
// For a call that is not safe beside captures, which may forbid it; then they are spoiled.
CUresult RefuseUnsafe(const PlainCall& call);
// Whether the stream is captured now, and may be used so.
CUresult AskCapture(const PlainCall& call, const StreamUse& use, bool* captured);

CUresult FindEvent(const PlainCall& call, CUevent handle, std::shared_ptr<Event>* event);
// Null means the current context. Contexts that died are unknown.
CUresult FindContext(const PlainCall& call, CUcontext handle, std::shared_ptr<Context>* context);
CUresult FindDevice(const PlainCall& call, CUdevice ordinal, const Device** device);

// A kernel or function that is ready to be launched or asked about in a context.
struct FunctionUse {
  std::shared_ptr<Module> module;
  std::shared_ptr<Function> function;  // the one in the module

  const KernelFacts& facts() const { return module->program().kernels()[function->index]; }
};

CUresult FindFunction(const ContextCall& call, CUfunction handle, FunctionUse* use);

}  // namespace farlane::soft
