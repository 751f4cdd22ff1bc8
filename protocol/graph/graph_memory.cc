// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/graph_memory.h"

#include <algorithm>
#include <cstring>

#include "protocol/base/bytes.h"

namespace farlane::graph {
namespace {

// Sizes are rounded up to this, and compared so.
constexpr uint64_t kStepBytes = 512;

bool IsPlain(const CUDA_MEM_ALLOC_NODE_PARAMS_v2& wanted, const MemorySource& source) {
  const CUmemLocation& location = wanted.poolProps.location;
  return wanted.poolProps.allocType == CU_MEM_ALLOCATION_TYPE_PINNED &&
         location.type == CU_MEM_LOCATION_TYPE_DEVICE && source.HasDevice(location.id) &&
         wanted.bytesize != 0 && (wanted.accessDescCount == 0 || wanted.accessDescs != nullptr);
}

// Memory of graphs is open to its own device.
bool StaysAtHome(const CUDA_MEM_ALLOC_NODE_PARAMS_v2& wanted) {
  for (size_t i = 0; i < wanted.accessDescCount; ++i) {
    const CUmemAccessDesc& access = wanted.accessDescs[i];
    if (access.location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
        access.location.id != wanted.poolProps.location.id) {
      return false;
    }
  }
  return wanted.poolProps.handleTypes == CU_MEM_HANDLE_TYPE_NONE;
}

}  // namespace

GraphBlock::~GraphBlock() {
  memory_.End(*this);
}

// The memory of a node that frees before the new one begins, and that nobody has again yet.
GraphBlockPtr GraphMemory::Reuse(const NodePlace& place, int device, uint64_t bytes) {
  const std::vector<Step> freeing = graphs_.FreeingBefore(place.graph, place.after);
  return state_.With([&](State& state) -> GraphBlockPtr {
    for (const Step& step : freeing) {
      const GraphBlockPtr& block = step.command->block;
      if (block != nullptr && block->device() == device && block->bytes() >= bytes &&
          block->bytes() / 2 <= bytes &&
          state.blocks[block->address()].reused.insert(step.node).second) {
        return block;
      }
    }
    return nullptr;
  });
}

CUresult GraphMemory::Allocate(const NodePlace& place,
                               wire::Handle context,
                               CUgraphNodeParams* description,
                               GraphBlockPtr* block) {
  CUDA_MEM_ALLOC_NODE_PARAMS_v2& wanted = description->alloc;
  if (!IsPlain(wanted, source_)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!StaysAtHome(wanted)) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (wanted.bytesize > UINT64_MAX / 2) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  any_.store(true, std::memory_order_relaxed);
  const int device = wanted.poolProps.location.id;
  const uint64_t bytes = RoundUp(wanted.bytesize, kStepBytes);
  *block = Reuse(place, device, bytes);
  if (*block == nullptr) {
    uint64_t address = 0;
    const CUresult result = source_.Allocate(device, context, bytes, &address);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    *block = std::make_shared<GraphBlock>(*this, device, address, bytes);
    state_.With([&](State& state) {
      state.blocks[address].block = *block;
      Use& use = state.uses[device];
      use.held_bytes += bytes;
      use.held_bytes_high = std::max(use.held_bytes_high, use.held_bytes);
    });
  }
  wanted.dptr = (*block)->address();
  return CUDA_SUCCESS;
}

CUresult GraphMemory::Find(wire::Handle graph, CUdeviceptr address, GraphBlockPtr* block) {
  *block = state_.With([address](State& state) {
    const auto found = state.blocks.find(address);
    return found == state.blocks.end() ? nullptr : found->second.block.lock();
  });
  if (*block == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const MemoryNodes nodes = graphs_.MemoryNodesOf(graph, *block);
  return nodes.freeing < std::max<size_t>(nodes.allocating, 1) ? CUDA_SUCCESS
                                                               : CUDA_ERROR_INVALID_VALUE;
}

CUresult GraphMemory::Launch(const std::vector<Step>& steps, bool frees_first) {
  Live before;  // ends after the lock
  return state_.With([&](State& state) {
    Live live = state.live;
    for (const Step& step : steps) {
      if (frees_first && step.command->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
        live.erase(step.command->block->address());
      }
    }
    for (const Step& step : steps) {
      const GraphBlockPtr& block = step.command->block;
      const bool fits = step.command->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC
                            ? live.emplace(block->address(), block).second
                        : step.command->type == CU_GRAPH_NODE_TYPE_MEM_FREE
                            ? live.erase(block->address()) != 0
                            : true;
      if (!fits) {
        return CUDA_ERROR_INVALID_VALUE;
      }
    }
    for (const Step& step : steps) {
      if (step.command->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
        NoteUse(state, *step.command->block);
      }
    }
    before = std::move(state.live);
    state.live = std::move(live);
    return CUDA_SUCCESS;
  });
}

// Memory counts as used from its first launch on, until it is trimmed or gone.
void GraphMemory::NoteUse(State& state, const GraphBlock& block) {
  const auto found = state.blocks.find(block.address());
  if (found == state.blocks.end() || found->second.used) {
    return;
  }
  found->second.used = true;
  Use& use = state.uses[block.device()];
  use.used_bytes += block.bytes();
  use.used_bytes_high = std::max(use.used_bytes_high, use.used_bytes);
}

// Takes a block off the accounts.
void GraphMemory::Drop(State& state, const GraphBlock& block) {
  const auto found = state.blocks.find(block.address());
  Use& use = state.uses[block.device()];
  use.held_bytes -= block.bytes();
  use.used_bytes -= found->second.used ? block.bytes() : 0;
  state.blocks.erase(found);
}

CUresult GraphMemory::Trim(int device) {
  state_.With([&](State& state) {
    for (auto& [address, entry] : state.blocks) {
      const GraphBlockPtr block = entry.block.lock();
      if (entry.used && block != nullptr && block->device() == device &&
          !state.live.contains(address)) {
        entry.used = false;
        state.uses[device].used_bytes -= block->bytes();
      }
    }
  });
  return CUDA_SUCCESS;
}

// What nobody had is null.
GraphBlockPtr GraphMemory::Leave(State& state, uint64_t address) {
  const auto found = state.live.find(address);
  if (found == state.live.end()) {
    return nullptr;
  }
  GraphBlockPtr block = std::move(found->second);
  state.live.erase(found);
  return block;
}

bool GraphMemory::Free(CUdeviceptr address, CUresult* result, GraphBlockPtr* kept_or_null) {
  GraphBlockPtr gone;  // ends after the lock
  const bool known = state_.With([&](State& state) {
    if (!state.blocks.contains(address)) {
      return false;
    }
    gone = Leave(state, address);
    *result = gone == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    return true;
  });
  if (kept_or_null != nullptr) {
    *kept_or_null = std::move(gone);
  }
  return known;
}

void GraphMemory::Forget(CUdeviceptr address) {
  GraphBlockPtr gone;  // ends after the lock, and finds nothing to free
  state_.With([&](State& state) {
    const auto found = state.blocks.find(address);
    if (found == state.blocks.end()) {
      return;
    }
    gone = Leave(state, address);
    const GraphBlockPtr block = found->second.block.lock();
    if (block != nullptr) {
      Drop(state, *block);
    }
    gone = gone == nullptr ? block : gone;
  });
}

GraphMemory::~GraphMemory() {
  Live last;  // what ends looks here once more
  state_.With([&last](State& state) { last.swap(state.live); });
}

void GraphMemory::End(const GraphBlock& block) {
  const bool known = state_.With([&](State& state) {
    const auto found = state.blocks.find(block.address());
    if (found == state.blocks.end() || !found->second.block.expired()) {
      return false;
    }
    Drop(state, block);
    return true;
  });
  if (known) {
    source_.Free(block.device(), block.address());
  }
}

CUresult GraphMemory::Tell(int device, CUgraphMem_attribute attribute, void* value) {
  if (value == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return state_.With([&](State& state) {
    const Use& use = state.uses[device];
    cuuint64_t told = 0;
    switch (attribute) {
      case CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT:
        told = use.used_bytes;
        break;
      case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH:
        told = use.used_bytes_high;
        break;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT:
        told = use.held_bytes;
        break;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH:
        told = use.held_bytes_high;
        break;
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    memcpy(value, &told, sizeof told);
    return CUDA_SUCCESS;
  });
}

CUresult GraphMemory::Set(int device, CUgraphMem_attribute attribute, const void* value) {
  cuuint64_t wanted = 1;
  if (value != nullptr) {
    memcpy(&wanted, value, sizeof wanted);
  }
  if (wanted != 0) {
    return CUDA_ERROR_INVALID_VALUE;  // a high mark can be forgotten, not invented
  }
  return state_.With([&](State& state) {
    Use& use = state.uses[device];
    switch (attribute) {
      case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH:
        use.used_bytes_high = use.used_bytes;
        return CUDA_SUCCESS;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH:
        use.held_bytes_high = use.held_bytes;
        return CUDA_SUCCESS;
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

}  // namespace farlane::graph
