// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/call.h"

namespace farlane::soft {

PlainCall::PlainCall() : driver(Driver::Get()) {
  if (driver == nullptr) {
    result = CUDA_ERROR_NOT_INITIALIZED;
  } else if (ThisThread().in_callback) {
    result = CUDA_ERROR_NOT_PERMITTED;
  }
}

ContextCall::ContextCall() {
  if (result != CUDA_SUCCESS) {
    return;
  }
  const ThreadState& thread = ThisThread();
  if (thread.contexts.empty() || thread.contexts.back() == nullptr) {
    result = CUDA_ERROR_INVALID_CONTEXT;
    return;
  }
  current = thread.contexts.back();
  context = HomeOf(current);
  result = current->alive() ? current->failed().get() : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult FindStream(const ContextCall& call, CUstream handle, StreamUse* use) {
  if (handle == nullptr || handle == CU_STREAM_LEGACY) {
    use->context = call.current;
    use->stream = call.current->legacy();
    return CUDA_SUCCESS;
  }
  if (handle == CU_STREAM_PER_THREAD) {
    use->context = call.current;
    use->stream = OwnStream(call.current.get());
    return CUDA_SUCCESS;
  }
  use->stream = call.driver->streams().Find(HandleNumber(handle));
  if (use->stream == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  use->context = call.current;
  if (use->stream->traits().context != call.current->handle()) {
    use->context = call.driver->contexts().Find(use->stream->traits().context);
  }
  return use->context == nullptr ? CUDA_ERROR_CONTEXT_IS_DESTROYED : use->context->failed().get();
}

graph::StreamTraits TraitsOf(const StreamUse& use) {
  return {.handle = use.stream->traits().handle,
          .context = use.context->handle(),
          .blocking = use.stream->blocking()};
}

CUresult AskCapture(const PlainCall& call, const StreamUse& use, bool* captured) {
  *captured = false;
  if (!call.driver->captures().busy()) {
    return CUDA_SUCCESS;
  }
  CUresult result = CUDA_SUCCESS;
  const graph::Standing standing = call.driver->captures().StandingOf(TraitsOf(use), &result);
  *captured = standing == graph::Standing::kCaptured;
  return result;
}

CUresult RefuseCaptured(const ContextCall& call, const StreamUse& use) {
  bool captured = false;
  FARLANE_SOFT_TRY(AskCapture(call, use, &captured));
  return captured ? call.driver->captures().Spoil(use.stream->traits().handle) : CUDA_SUCCESS;
}

CUresult RefuseUnsafe(const PlainCall& call) {
  return call.driver->captures().busy()
             ? call.driver->captures().CheckSafe(ThisThread().capture_mode)
             : CUDA_SUCCESS;
}

CUresult Put(const ContextCall& call,
             const StreamUse& use,
             Work work,
             SharedCompletion* done_or_null) {
  bool captured = false;
  FARLANE_SOFT_TRY(AskCapture(call, use, &captured));
  SharedCompletion done;
  if (captured) {
    auto command = std::make_shared<WorkCommand>(work.node);
    command->run = std::move(work.run);
    command->params = std::move(work.params);
    FARLANE_SOFT_TRY(
        call.driver->captures().Append(use.stream->traits().handle, std::move(command)));
    done = std::make_shared<Completion>();
    done->Finish();
  } else {
    done = use.context->Submit(use.stream.get(), std::move(work));
  }
  if (done_or_null != nullptr) {
    *done_or_null = std::move(done);
  }
  return CUDA_SUCCESS;
}

CUresult FindEvent(const PlainCall& call, CUevent handle, std::shared_ptr<Event>* event) {
  *event = call.driver->events().Find(HandleNumber(handle));
  return *event == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

CUresult FindContext(const PlainCall& call, CUcontext handle, std::shared_ptr<Context>* context) {
  if (handle == nullptr) {
    const ThreadState& thread = ThisThread();
    *context = thread.contexts.empty() ? nullptr : thread.contexts.back();
  } else {
    *context = call.driver->contexts().Find(HandleNumber(handle));
  }
  return *context == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

CUresult FindDevice(const PlainCall& call, CUdevice ordinal, const Device** device) {
  *device = call.driver->FindDevice(ordinal);
  return *device == nullptr ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

CUresult FindFunction(const ContextCall& call, CUfunction handle, FunctionUse* use) {
  const auto found = call.driver->functions().Find(HandleNumber(handle));
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!found->contextless) {
    use->function = found;
    use->module = found->module.lock();
    return use->module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
  }
  const auto library = found->library.lock();
  if (library == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  FARLANE_SOFT_TRY(call.driver->ModuleOf(library, call.context, &use->module).result);
  use->function = use->module->Find(found->name, found->index);
  return use->function == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

}  // namespace farlane::soft
