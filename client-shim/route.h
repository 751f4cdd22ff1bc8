// SPDX-License-Identifier: Apache-2.0
// Route finds, for a program with several servers, the one that a call is about: by the handles and
// addresses that it is given. Made by the entry points around the body; while it lives, the session
// of the calling thread is that server's, and a context of it is current. With one server no entry
// point makes one.
#pragma once

#include "client-shim/current_context.h"
#include "client-shim/process.h"

namespace farlane::shim {

// What is followed first and says something decides; what comes after it must be of the same
// server, or the body does not know it.
// Thread: the caller's, on its stack.
class Route {
 public:
  Route();
  ~Route();

  Route(const Route&) = delete;
  Route& operator=(const Route&) = delete;

  // Streams that mean one of the current context or of the thread (0, 1 and 2) decide that it is
  // about the current context.
  void FollowStream(CUstream stream);

  template <typename T>
  void Follow(T* handle) {
    FollowHandle(wire::ToWire(handle));
  }

  void FollowHandle(wire::Handle handle);
  void FollowAddress(uint64_t address);

  void FollowAddress(const void* address) { FollowAddress(reinterpret_cast<uint64_t>(address)); }

  // Only the session: what is about a device needs no context, or makes its own.
  void FollowDevice(int32_t device);
  void FollowDevice(const CUmemLocation* location);

  // A kernel of a library may be used wherever its program has a GPU: becomes the one that stands
  // for it on the server of the call. CUDA_SUCCESS also where there is nothing to do.
  template <typename Kernel>
  CUresult Bring(Kernel* kernel) {
    wire::Handle handle = wire::ToWire(*kernel);
    const CUresult result = BringFunction(&handle);
    *kernel = wire::FromWire<Kernel>(handle);
    return result;
  }

 private:
  void Decide(Session& session, wire::Handle context);
  CUresult BringFunction(wire::Handle* function);

  ThreadState& thread_;
  Session* const outer_;  // of the call that this one is made in, by a function of the program
  Session* const here_;   // of the current context; null for none
  bool decided_ = false;
  bool pushed_ = false;
};

// A context of the session that is alive, best that of the device; 0 if there is none.
wire::Handle AnyContext(Session& session, int32_t device);

// The function that stands for a kernel of a library on the session's server; the kernel itself
// where there is nothing to do, and for what is no kernel of a library.
CUresult BringTo(Session& session, wire::Handle* function);

}  // namespace farlane::shim
