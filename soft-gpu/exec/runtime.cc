// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/runtime.h"

#include <bit>
#include <ctime>

#include <x86intrin.h>

#include "soft-gpu/exec/conditions.h"
#include "soft-gpu/exec/device_heap.h"
#include "soft-gpu/exec/fault_guard.h"
#include "soft-gpu/exec/sampler.h"
#include "soft-gpu/exec/surface_access.h"
#include "soft-gpu/exec/texture_table.h"
#include "soft-gpu/exec/worker.h"
#include "soft-gpu/jit/block_frame.h"

namespace farlane::soft {
namespace {

using jit::BlockFrame;
using jit::FaultCause;

// A memory access that failed its check: misaligned if only its alignment is wrong. What is aligned
// and inside was looked for in another space, as shared memory by an access to global memory.
Fault FaultOfAccess(uint64_t address, uint64_t limit, uint32_t bytes) {
  const bool is_inside = address < limit && limit - address >= bytes;
  return is_inside && address % bytes != 0 ? Fault::kMisaligned : Fault::kIllegalAddress;
}

Fault FaultOf(const BlockFrame& block, uint64_t address, uint32_t cause) {
  const uint32_t bytes = 1u << (cause >> 8 & 0xff);
  switch (static_cast<FaultCause>(cause & 0xff)) {
    case FaultCause::kAccess: {
      const uint64_t in_arena = address - block.arena_base;
      return in_arena < block.arena_bytes
                 ? FaultOfAccess(in_arena, block.arena_bytes, bytes)
                 : FaultOfAccess(address - block.window_base, block.window_bytes, bytes);
    }
    case FaultCause::kShared:
      return FaultOfAccess(address, block.shared_bytes, bytes);
    case FaultCause::kLocal:
      return FaultOfAccess(address, block.local_bytes, bytes);
    case FaultCause::kParameter:
      return Fault::kIllegalAddress;
    case FaultCause::kStack:
      return Fault::kStackOverflow;
    case FaultCause::kFunction:
      return Fault::kInvalidCall;
    default:
      return Fault::kTrap;
  }
}

[[noreturn]] void FailThread(
    const BlockFrame* block, uint32_t thread, uint64_t address, uint32_t cause, uint64_t place) {
  Worker::CurrentOrNull()->NoteThread(thread);
  Worker::CurrentOrNull()->NoteAccess(cause, place);
  LeaveGuarded(FaultOf(*block, address, cause), address);
}

void CheckAccess(
    const BlockFrame* block, uint32_t thread, uint64_t address, uint32_t cause, uint64_t place) {
  Worker* const worker = Worker::CurrentOrNull();
  const bool is_in_arena = address - block->arena_base < block->arena_bytes;
  if (!is_in_arena && !worker->access_check().Allows(address, 1u << (cause >> 8 & 0xff))) {
    worker->NoteThread(thread);
    worker->NoteAccess(cause, place);
    LeaveGuarded(Fault::kIllegalAddress, address);
  }
}

uint32_t Barrier(uint32_t kind, uint32_t number, uint32_t count, uint32_t vote) {
  return Worker::CurrentOrNull()->threads().Barrier(static_cast<jit::BarrierKind>(kind), number,
                                                    count, vote);
}

uint64_t Warp(uint32_t kind, uint32_t members, uint64_t value, uint32_t first, uint32_t second) {
  return Worker::CurrentOrNull()->threads().Warp(static_cast<jit::WarpKind>(kind), members, value,
                                                 first, second);
}

uint32_t Converge(uint64_t place) {
  return Worker::CurrentOrNull()->threads().Converge(place);
}

void Yield() {
  Worker::CurrentOrNull()->threads().Yield();
}

void Exit() {
  Worker::CurrentOrNull()->threads().Exit();
}

BlockThreads& ThreadsOf(const BlockFrame* block) {
  return *static_cast<BlockThreads*>(block->threads);
}

void ArriveBarrier(
    const BlockFrame* block, uint32_t kind, uint32_t number, uint32_t count, uint32_t vote) {
  BlockThreads& threads = ThreadsOf(block);
  threads.NoteArrival(
      threads.ArriveAtBarrier(static_cast<jit::BarrierKind>(kind), number, count, vote));
}

void ArriveWarp(const BlockFrame* block,
                uint32_t kind,
                uint32_t members,
                uint64_t value,
                uint32_t first,
                uint32_t second) {
  BlockThreads& threads = ThreadsOf(block);
  threads.NoteArrival(
      threads.ArriveInWarp(static_cast<jit::WarpKind>(kind), members, value, first, second));
}

void ArriveConverge(const BlockFrame* block, uint64_t place) {
  ThreadsOf(block).NoteArrival(ThreadsOf(block).ArriveToConverge(place));
}

void ArriveYield(const BlockFrame* block) {
  ThreadsOf(block).NoteArrival(ThreadsOf(block).ArriveToYield());
}

void End(const BlockFrame* block) {
  ThreadsOf(block).End();
}

uint64_t Print(const BlockFrame* block, uint32_t, uint64_t format, uint64_t arguments) {
  return Worker::CurrentOrNull()->text().Print(*block, format, arguments);
}

[[noreturn]] void Assert(const BlockFrame* block,
                         uint32_t thread,
                         uint64_t message,
                         uint64_t file,
                         uint64_t line,
                         uint64_t function,
                         uint64_t) {
  Worker::CurrentOrNull()->NoteAssertion(*block, thread, {message, file, line, function});
  LeaveGuarded(Fault::kAssert, 0);
}

uint64_t Malloc(const BlockFrame*, uint32_t, uint64_t size_bytes) {
  DeviceHeap* const heap = Worker::CurrentOrNull()->grid().shape().heap;
  const GuardPause pause;
  return heap == nullptr || size_bytes == 0 ? 0 : heap->Allocate(size_bytes);
}

void Free(const BlockFrame*, uint32_t thread, uint64_t address) {
  Worker* const worker = Worker::CurrentOrNull();
  DeviceHeap* const heap = worker->grid().shape().heap;
  bool is_free = address == 0;
  if (!is_free && heap != nullptr) {
    const GuardPause pause;
    is_free = heap->Free(address);
  }
  if (!is_free) {
    worker->NoteThread(thread);
    LeaveGuarded(Fault::kIllegalAddress, address);
  }
}

void SetCondition(const BlockFrame*, uint32_t thread, uint64_t number, uint64_t value) {
  Worker* const worker = Worker::CurrentOrNull();
  Conditions* const conditions = worker->grid().shape().conditions;
  if (conditions == nullptr || !conditions->Set(number, static_cast<uint32_t>(value))) {
    worker->NoteThread(thread);
    LeaveGuarded(Fault::kIllegalAddress, number);
  }
}

[[noreturn]] void FailTexture(
    uint32_t thread, Fault fault, uint64_t address, uint32_t cause, uint64_t place) {
  Worker::CurrentOrNull()->NoteThread(thread);
  Worker::CurrentOrNull()->NoteAccess(cause, place);
  LeaveGuarded(fault, address);
}

void AccessTexture(const BlockFrame* block,
                   uint32_t thread,
                   uint64_t number,
                   uint32_t packed_form,
                   jit::TextureAccess* access,
                   uint64_t place) {
  const auto form = jit::AccessForm::Unpack(packed_form);
  const Texture* const texture = TextureTable::Get().Find(number);
  const bool of_surface = form.of_surface || form.step == jit::TextureStep::kLoad ||
                          form.step == jit::TextureStep::kStore ||
                          form.step == jit::TextureStep::kReduce;
  // Those of another device are not there for this one's kernels.
  const bool is_ours = block->frame_rights == nullptr ||
                       (texture != nullptr && (texture->rights & block->rights) != 0);
  if (texture == nullptr || texture->is_surface != of_surface || !is_ours) {
    FailTexture(thread, Fault::kIllegalAddress, number, static_cast<uint32_t>(FaultCause::kTexture),
                place);
  }
  const DeviceWindow window{block->window_base, block->window_bytes};
  TexelMemory memory(window);
  if (form.step == jit::TextureStep::kQuery) {
    access->data[0] = QueryTexture(*texture, form.query, access->level);
  } else if (of_surface) {
    AccessSurface(*texture, form, &memory, access);
  } else {
    SampleTexture(*texture, form, &memory, access);
  }
  if (const TexelFault& fault = memory.fault(); fault.happened) {
    const auto size = static_cast<uint32_t>(std::bit_width(fault.bytes) - 1);
    FailTexture(thread, fault.misaligned ? Fault::kMisaligned : Fault::kIllegalAddress,
                fault.address, static_cast<uint32_t>(FaultCause::kAccess) | size << 8, place);
  }
}

uint64_t Clock() {
  return __rdtsc();
}

uint64_t Timer() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000ull + static_cast<uint64_t>(now.tv_nsec);
}

template <typename F>
void* Address(F* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

std::span<const jit::RuntimeFunction> RuntimeFunctions() {
  static const jit::RuntimeFunction functions[] = {
      {jit::kFaultFunction, Address(&FailThread)},
      {jit::kCheckFunction, Address(&CheckAccess)},
      {jit::kBarrierFunction, Address(&Barrier)},
      {jit::kWarpFunction, Address(&Warp)},
      {jit::kYieldFunction, Address(&Yield)},
      {jit::kExitFunction, Address(&Exit)},
      {jit::kArriveBarrierFunction, Address(&ArriveBarrier)},
      {jit::kArriveWarpFunction, Address(&ArriveWarp)},
      {jit::kArriveConvergeFunction, Address(&ArriveConverge)},
      {jit::kArriveYieldFunction, Address(&ArriveYield)},
      {jit::kEndFunction, Address(&End)},
      {jit::kPrintFunction, Address(&Print)},
      {jit::kAssertFunction, Address(&Assert)},
      {jit::kClockFunction, Address(&Clock)},
      {jit::kTimerFunction, Address(&Timer)},
      {jit::kMallocFunction, Address(&Malloc)},
      {jit::kFreeFunction, Address(&Free)},
      {jit::kConditionFunction, Address(&SetCondition)},
      {jit::kConvergeFunction, Address(&Converge)},
      {jit::kTextureFunction, Address(&AccessTexture)},
  };
  return functions;
}

}  // namespace farlane::soft
