// SPDX-License-Identifier: Apache-2.0
// Stream operations on single words of memory: wait until a word has a value, and write one.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "protocol/base/clock.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"
#include "soft-gpu/device/stream_clock.h"

namespace farlane::soft {
namespace {

constexpr unsigned int kBatchMax = 256;  // of the manual
constexpr uint64_t kSpinNs = 20'000;     // what a waiter may spend before it sleeps between looks
constexpr auto kLookEvery = std::chrono::microseconds(50);

// One word in memory that the device can reach.
struct Word {
  uint64_t address = 0;
  uint32_t bytes = 4;
};

// The memory is looked at again whenever it is used: it may have been unmapped since.
bool Load(AddressSpace* space, const Word& word, uint64_t* value) {
  const InsideGate inside(&space->gate());
  if (!space->table().Allows(word.address, word.bytes, Access::kRead)) {
    return false;
  }
  *value = word.bytes == 4 ? std::atomic_ref(*reinterpret_cast<uint32_t*>(word.address)).load()
                           : std::atomic_ref(*reinterpret_cast<uint64_t*>(word.address)).load();
  return true;
}

bool Store(AddressSpace* space, const Word& word, uint64_t value) {
  const InsideGate inside(&space->gate());
  if (!space->table().Allows(word.address, word.bytes, Access::kReadWrite)) {
    return false;
  }
  if (word.bytes == 4) {
    std::atomic_ref(*reinterpret_cast<uint32_t*>(word.address)).store(static_cast<uint32_t>(value));
  } else {
    std::atomic_ref(*reinterpret_cast<uint64_t*>(word.address)).store(value);
  }
  return true;
}

// "Greater or equal" counts in a circle, so that counters may wrap around.
bool Holds(uint64_t value, uint64_t wanted, const Word& word, unsigned int condition) {
  switch (condition) {
    case CU_STREAM_WAIT_VALUE_GEQ:
      return word.bytes == 4 ? static_cast<int32_t>(static_cast<uint32_t>(value) -
                                                    static_cast<uint32_t>(wanted)) >= 0
                             : static_cast<int64_t>(value - wanted) >= 0;
    case CU_STREAM_WAIT_VALUE_EQ:
      return value == wanted;
    case CU_STREAM_WAIT_VALUE_AND:
      return (value & wanted) != 0;
    default: {  // CU_STREAM_WAIT_VALUE_NOR
      const uint64_t all = word.bytes == 4 ? UINT32_MAX : UINT64_MAX;
      return (~(value | wanted) & all) != 0;
    }
  }
}

CUresult CheckWord(const ContextCall& call, const Word& word, Access wanted) {
  return word.address % word.bytes == 0 &&
                 call.driver->space().table().Allows(word.address, word.bytes, wanted)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

CUresult MakeWait(
    const ContextCall& call, const Word& word, uint64_t value, unsigned int flags, Work* work) {
  if ((flags & CU_STREAM_WAIT_VALUE_FLUSH) != 0) {
    return CUDA_ERROR_NOT_SUPPORTED;  // as attribute 98 says
  }
  if (flags > CU_STREAM_WAIT_VALUE_NOR) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FARLANE_SOFT_TRY(CheckWord(call, word, Access::kRead));
  work->run = [space = &call.driver->space(), context = call.context, word, value, flags] {
    const uint64_t start_ns = NowNs();
    // A context that is taken down waits for its work, and this could wait for ever.
    while (context->alive()) {
      uint64_t found = 0;
      if (!Load(space, word, &found)) {
        return CUDA_ERROR_ILLEGAL_ADDRESS;
      }
      if (Holds(found, value, word, flags)) {
        JoinTheWall();
        return CUDA_SUCCESS;
      }
      if (NowNs() - start_ns > kSpinNs) {
        std::this_thread::sleep_for(kLookEvery);
      }
    }
    return CUDA_SUCCESS;
  };
  return CUDA_SUCCESS;
}

CUresult MakeWrite(
    const ContextCall& call, const Word& word, uint64_t value, unsigned int flags, Work* work) {
  if (flags > CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FARLANE_SOFT_TRY(CheckWord(call, word, Access::kReadWrite));
  work->brief = true;
  work->run = [space = &call.driver->space(), word, value] {
    return Store(space, word, value) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
  };
  return CUDA_SUCCESS;
}

CUresult Wait(CUstream stream, const Word& word, uint64_t value, unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, stream, &use));
  Work work;
  FARLANE_SOFT_TRY(MakeWait(call, word, value, flags, &work));
  work.node = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
  return Put(call, use, std::move(work));
}

CUresult Write(CUstream stream, const Word& word, uint64_t value, unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, stream, &use));
  Work work;
  FARLANE_SOFT_TRY(MakeWrite(call, word, value, flags, &work));
  work.node = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
  return Put(call, use, std::move(work));
}

CUresult MakeOperation(const ContextCall& call,
                       const CUstreamBatchMemOpParams& operation,
                       Work* work) {
  const auto& wait = operation.waitValue;
  const auto& write = operation.writeValue;
  switch (operation.operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
      return MakeWait(call, {wait.address, 4}, wait.value, wait.flags, work);
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      return MakeWait(call, {wait.address, 8}, wait.value64, wait.flags, work);
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
      return MakeWrite(call, {write.address, 4}, write.value, write.flags, work);
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      return MakeWrite(call, {write.address, 8}, write.value64, write.flags, work);
    case CU_STREAM_MEM_OP_BARRIER:
      return CUDA_SUCCESS;  // work of a stream is done in order anyway
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
      return CUDA_ERROR_NOT_SUPPORTED;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult Batch(CUstream stream,
               unsigned int count,
               CUstreamBatchMemOpParams* operations,
               unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (operations == nullptr || count == 0 || count > kBatchMax || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, stream, &use));
  // All or nothing: none is submitted before every one has been looked at.
  std::vector<Work> works(count);
  for (unsigned int i = 0; i < count; ++i) {
    FARLANE_SOFT_TRY(MakeOperation(call, operations[i], &works[i]));
  }
  Work work;
  work.node = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
  work.run = [works = std::move(works)] {
    for (const Work& one : works) {
      FARLANE_SOFT_TRY(one.run == nullptr ? CUDA_SUCCESS : one.run());
    }
    return CUDA_SUCCESS;
  };
  if (call.driver->captures().busy()) {
    const CUDA_BATCH_MEM_OP_NODE_PARAMS node{.ctx = AsHandle<CUcontext>(call.context->handle()),
                                             .count = count,
                                             .paramArray = operations,
                                             .flags = flags};
    work.params = graph::Keep(*graph::MemoryOperationsNode(&node));
  }
  return Put(call, use, std::move(work));
}

}  // namespace

CUresult cuStreamWaitValue32_v2(CUstream stream,
                                CUdeviceptr addr,
                                cuuint32_t value,
                                unsigned int flags) {
  return Wait(stream, {addr, 4}, value, flags);
}

CUresult cuStreamWaitValue64_v2(CUstream stream,
                                CUdeviceptr addr,
                                cuuint64_t value,
                                unsigned int flags) {
  return Wait(stream, {addr, 8}, value, flags);
}

CUresult cuStreamWriteValue32_v2(CUstream stream,
                                 CUdeviceptr addr,
                                 cuuint32_t value,
                                 unsigned int flags) {
  return Write(stream, {addr, 4}, value, flags);
}

CUresult cuStreamWriteValue64_v2(CUstream stream,
                                 CUdeviceptr addr,
                                 cuuint64_t value,
                                 unsigned int flags) {
  return Write(stream, {addr, 8}, value, flags);
}

CUresult cuStreamBatchMemOp_v2(CUstream stream,
                               unsigned int count,
                               CUstreamBatchMemOpParams* paramArray,
                               unsigned int flags) {
  return Batch(stream, count, paramArray, flags);
}

}  // namespace farlane::soft
