// SPDX-License-Identifier: Apache-2.0
#include "client-shim/route.h"

#include "client-shim/modules.h"

namespace farlane::shim {
namespace {

constexpr uint64_t kLastStreamWord = 2;  // 0, CU_STREAM_LEGACY and CU_STREAM_PER_THREAD

// The context that an object belongs to; 0 for one that belongs to none.
wire::Handle ContextOf(Session& session, wire::Handle handle) {
  Objects& objects = session.objects();
  const auto of = [handle](auto& table) {
    const auto* found = table.Find(handle);
    return found == nullptr ? wire::Handle{0} : found->context;
  };
  switch (wire::KindOf(handle)) {
    case wire::HandleKind::kStream:
      return of(objects.streams);
    case wire::HandleKind::kEvent:
      return of(objects.events);
    case wire::HandleKind::kModule:
      return of(objects.modules);
    case wire::HandleKind::kArray:
      return of(objects.arrays);
    case wire::HandleKind::kGraphExec:
      return of(objects.graph_execs);
    case wire::HandleKind::kReference:
      return of(objects.references);
    case wire::HandleKind::kFunction: {
      const Function* function = objects.functions.Find(handle);
      return function == nullptr ? 0 : ContextOf(session, function->module);
    }
    default:
      return 0;
  }
}

bool IsAlive(Session& session, wire::Handle context) {
  const Context* found = session.objects().contexts.Find(context);
  return found != nullptr && found->alive;
}

}  // namespace

wire::Handle AnyContext(Session& session, int32_t device) {
  if (session.HasDevice(device) && IsAlive(session, session.primary_context(device))) {
    return session.primary_context(device);
  }
  wire::Handle any = 0;
  session.objects().contexts.ForEach([&](wire::Handle handle, const Context& context) {
    const bool better = any == 0 || context.device == device;
    any = context.alive && better ? handle : any;
  });
  return any;
}

Route::Route()
    : thread_(ThreadState::Mine()),
      outer_(thread_.routed),
      here_(thread_.current() == 0 ? nullptr : Process::Get().SessionOf(thread_.current())) {
  thread_.routed = nullptr;
}

Route::~Route() {
  if (pushed_) {
    thread_.Pop();
  }
  thread_.routed = outer_;
}

void Route::Decide(Session& session, wire::Handle context) {
  decided_ = true;
  if (&session == here_ || thread_.in_callback) {
    return;
  }
  thread_.routed = &session;
  if (context != 0) {
    thread_.Push(context);
    pushed_ = true;
  }
}

void Route::FollowStream(CUstream stream) {
  if (wire::ToWire(stream) <= kLastStreamWord) {
    decided_ = true;
  } else {
    Follow(stream);
  }
}

void Route::FollowHandle(wire::Handle handle) {
  if (decided_ || handle == 0) {
    return;
  }
  Session* const session = Process::Get().SessionOf(handle);
  if (session == nullptr || session == here_) {
    decided_ = session != nullptr;
    return;
  }
  // A context is what such a call is about, and it may be about to be made current. A library
  // belongs to none, and what is asked of it is meant for the current one.
  const wire::HandleKind kind = wire::KindOf(handle);
  const wire::Handle context = ContextOf(*session, handle);
  if (kind == wire::HandleKind::kContext || (kind == wire::HandleKind::kModule && context == 0)) {
    Decide(*session, 0);
    return;
  }
  Decide(*session, context != 0 ? context : AnyContext(*session, session->first_device()));
}

void Route::FollowAddress(uint64_t address) {
  const Servers* const servers = Process::Get().servers();
  if (decided_ || address == 0 || servers == nullptr ||
      (here_ != nullptr && servers->Has(*here_, address))) {
    return;
  }
  Session* const session = servers->OfAddress(address);
  if (session == nullptr) {
    return;
  }
  const int32_t device = session->DeviceOfAddress(address);
  const std::optional<AddressRange> range =
      device < 0 ? std::nullopt : session->memory(device).Find(address);
  const bool owned = range.has_value() && IsAlive(*session, range->owner);
  Decide(*session, owned ? range->owner
                         : AnyContext(*session, device < 0 ? session->first_device() : device));
}

void Route::FollowDevice(int32_t device) {
  Session* const session = decided_ ? nullptr : Process::Get().SessionOfDevice(device);
  if (session != nullptr) {
    Decide(*session, AnyContext(*session, device));
  }
}

void Route::FollowDevice(const CUmemLocation* location) {
  if (location != nullptr && location->type == CU_MEM_LOCATION_TYPE_DEVICE) {
    FollowDevice(location->id);
  }
}

CUresult Route::BringFunction(wire::Handle* function) {
  Session* const session = thread_.routed != nullptr ? thread_.routed : here_;
  const wire::Handle before = *function;
  const CUresult result = session == nullptr ? CUDA_SUCCESS : BringTo(*session, function);
  if (result == CUDA_SUCCESS && *function == before) {
    FollowHandle(before);  // of a module, which is in one place only
  }
  return result;
}

CUresult BringTo(Session& session, wire::Handle* function) {
  if (wire::ServerOf(*function) == session.number()) {
    return CUDA_SUCCESS;
  }
  Session* const home = Process::Get().SessionOf(*function);
  const Function* const found =
      home == nullptr ? nullptr : home->objects().functions.Find(*function);
  if (found == nullptr || !found->library) {
    return CUDA_SUCCESS;
  }
  wire::Handle library = found->module;
  const std::shared_ptr<Kernel> kernel = found->kernel;
  const CUresult result = BringLibraryTo(session, &library);
  return result == CUDA_SUCCESS ? FindFunction(session, library, kernel->name.c_str(), function)
                                : result;
}

}  // namespace farlane::shim
