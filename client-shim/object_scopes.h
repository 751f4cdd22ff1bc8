// SPDX-License-Identifier: Apache-2.0
// What a call asks about: the session, a handle, or the current context, proved to be there.
// Calls that the spec describes with `about` begin with one of these; object() may be used only if
// result() is success.
#pragma once

#include "client-shim/call_scope.h"
#include "client-shim/device_scope.h"
#include "client-shim/modules.h"

namespace farlane::shim {

// Needs nothing: what works before cuInit, and after it has failed. Thread: any.
class LibraryScope {
 public:
  CUresult result() const { return CUDA_SUCCESS; }
};

// Needs no context: libraries and kernels are asked about before there is one.
// Thread: the caller's, on its stack.
class SessionScope {
 public:
  SessionScope() : session_(Process::Get().session()) {
    if (session_ == nullptr) {
      result_ = Process::Get().Why();
    } else if (ThreadState::Mine().in_callback) {
      result_ = CUDA_ERROR_NOT_PERMITTED;
    }
  }

  CUresult result() const { return result_; }

  Session& session() const { return *session_; }

  const Session& object() const { return *session_; }

  CUresult CheckSafe() const { return session_->CheckSafe(); }

 protected:
  void Refuse(CUresult result) { result_ = result; }

 private:
  Session* const session_;
  CUresult result_ = CUDA_SUCCESS;
};

// An object of one of the client's tables. Thread: the caller's, on its stack.
template <typename T, ObjectTable<T> Objects::*kTable>
class HandleScope : public SessionScope {
 public:
  explicit HandleScope(wire::Handle handle) {
    if (result() == CUDA_SUCCESS) {
      object_ = (session().objects().*kTable).Find(handle);
      if (object_ == nullptr) {
        Refuse(CUDA_ERROR_INVALID_HANDLE);
      }
    }
  }

  T& object() const { return *object_; }

 private:
  T* object_ = nullptr;
};

using FunctionScope = HandleScope<Function, &Objects::functions>;

// A module or library, whose load has been waited for. Thread: the caller's, on its stack.
class ModuleScope : public SessionScope {
 public:
  explicit ModuleScope(wire::Handle handle) {
    if (result() == CUDA_SUCCESS) {
      Refuse(UseModule(session(), handle, &object_));
    }
  }

  LoadedModule& object() const { return *object_; }

 private:
  std::shared_ptr<LoadedModule> object_;  // shared: another thread may unload it meanwhile
};

// A context by its handle, or the current one for null. Thread: the caller's, on its stack.
class ContextScope : public SessionScope {
 public:
  explicit ContextScope(wire::Handle handle) {
    if (result() == CUDA_SUCCESS) {
      handle_ = handle == 0 ? ThreadState::Mine().current() : handle;
      object_ = session().objects().contexts.Find(handle_);
      if (object_ == nullptr) {
        Refuse(CUDA_ERROR_INVALID_CONTEXT);
      }
    }
  }

  wire::Handle handle() const { return handle_; }

  Context& object() const { return *object_; }

 private:
  wire::Handle handle_ = 0;
  Context* object_ = nullptr;
};

// A green context by its handle, or the current one for null. Thread: the caller's, on its stack.
class GreenScope : public ContextScope {
 public:
  explicit GreenScope(wire::Handle handle) : ContextScope(handle) {
    if (result() == CUDA_SUCCESS && object().home == 0) {
      Refuse(CUDA_ERROR_INVALID_CONTEXT);
    }
  }
};

// The current context, which must be alive. Thread: the caller's, on its stack.
class CurrentScope : public CallScope {
 public:
  Context& object() const { return *session().objects().contexts.Find(context()); }

  DeviceMemory& memory() const { return session().memory(device()); }

  bool IsManaged(CUdeviceptr address, size_t bytes) const {
    return bytes != 0 && session().mirrored().IsManaged(address) &&
           session().mirrored().IsManaged(address + bytes - 1);
  }
};

// A texture or surface reference. What the manual says to a handle that is none differs from other
// handles. Thread: the caller's, on its stack.
template <bool kIsSurface>
class ReferenceScope : public CallScope {
 public:
  explicit ReferenceScope(wire::Handle handle) : handle_(handle), result_(CallScope::result()) {
    if (result_ == CUDA_SUCCESS) {
      object_ = session().objects().references.Find(handle);
      if (object_ == nullptr || object_->is_surface != kIsSurface) {
        result_ = CUDA_ERROR_INVALID_VALUE;
      }
    }
  }

  CUresult result() const { return result_; }

  wire::Handle handle() const { return handle_; }

  ReferenceObject& object() const { return *object_; }

 private:
  const wire::Handle handle_;
  ReferenceObject* object_ = nullptr;
  CUresult result_;
};

using TextureReferenceScope = ReferenceScope<false>;
using SurfaceReferenceScope = ReferenceScope<true>;

// What can be asked about a stream.
struct StreamFacts {
  wire::Handle context = 0;
  wire::Handle green = 0;  // the same, if it is a green one
  wire::Handle home = 0;   // the same, if it is none; see Context
  uint32_t flags = CU_STREAM_DEFAULT;
  int32_t priority = 0;
  uint64_t id = 0;
  int32_t device = 0;
};

// A stream, or for null the legacy stream of the current context. Thread: the caller's, on its
// stack.
class StreamScope : public CallScope {
 public:
  explicit StreamScope(wire::Handle handle) : result_(CallScope::result()) {
    if (result_ != CUDA_SUCCESS) {
      return;
    }
    const Stream* stream = session().objects().streams.Find(handle);
    if (handle != 0 && stream == nullptr) {
      result_ = CUDA_ERROR_INVALID_HANDLE;
      return;
    }
    facts_.context = stream == nullptr ? context() : stream->context;
    const Context* owner = session().objects().contexts.Find(facts_.context);
    facts_.device = owner == nullptr ? device() : owner->device;
    facts_.home = session().objects().HomeOf(facts_.context);
    facts_.green = owner == nullptr || owner->home == 0 ? 0 : facts_.context;
    if (stream != nullptr) {
      facts_.flags = stream->flags;
      facts_.priority = stream->attributes->priority();
    }
    // The legacy stream is one per context, and contexts and streams share one count.
    facts_.id = stream != nullptr ? stream->id : owner->id;
  }

  CUresult result() const { return result_; }

  const StreamFacts& object() const { return facts_; }

 private:
  CUresult result_;
  StreamFacts facts_;
};

}  // namespace farlane::shim
