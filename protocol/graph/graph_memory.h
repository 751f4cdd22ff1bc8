// SPDX-License-Identifier: Apache-2.0
// GraphMemory is the memory that graphs own: nodes allocate it, other nodes or the program free it,
// again in each launch. An address and what is behind it are there from the making of the node that
// allocates, for as long as a graph, something made ready to run, or the program has them; a launch
// only says who may use them. A node behind one that frees may have the same memory again.
//
// Lock order: nothing is called with the lock held.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/graph/graphs.h"

namespace farlane::graph {

// Where the memory comes from: each libcuda's own. Outlives every graph.
// Thread: any.
class MemorySource {
 public:
  virtual ~MemorySource() = default;

  virtual bool HasDevice(int device) const = 0;
  virtual CUresult Allocate(int device,
                            wire::Handle context,
                            uint64_t bytes,
                            uint64_t* address) = 0;
  // Work that was started before may still use it.
  virtual void Free(int device, uint64_t address) = 0;
};

class GraphMemory;

// One piece of memory. Thread: immutable, but for what GraphMemory guards.
class GraphBlock {
 public:
  GraphBlock(GraphMemory& memory, int device, uint64_t address, uint64_t bytes)
      : memory_(memory), device_(device), address_(address), bytes_(bytes) {}

  GraphBlock(const GraphBlock&) = delete;
  GraphBlock& operator=(const GraphBlock&) = delete;
  ~GraphBlock();

  int device() const { return device_; }

  uint64_t address() const { return address_; }

  uint64_t bytes() const { return bytes_; }

 private:
  GraphMemory& memory_;
  const int device_;
  const uint64_t address_;
  const uint64_t bytes_;
};

// Where a node goes: its graph, and what it comes behind.
struct NodePlace {
  wire::Handle graph = 0;
  Predecessors after;
};

// Thread: any, guarded.
class GraphMemory {
 public:
  // Both are only kept here; graphs end before this does.
  GraphMemory(Graphs& graphs, MemorySource& source) : graphs_(graphs), source_(source) {}

  ~GraphMemory();

  // Memory for a node that allocates; writes its address into the description.
  CUresult Allocate(const NodePlace& place,
                    wire::Handle context,
                    CUgraphNodeParams* description,
                    GraphBlockPtr* block);
  // Memory that a node is to free; CUDA_ERROR_INVALID_VALUE for what no graph allocates, or what
  // this graph frees already.
  CUresult Find(wire::Handle graph, CUdeviceptr address, GraphBlockPtr* block);

  // A launch: what it allocates and frees. CUDA_ERROR_INVALID_VALUE if it allocates what is still
  // held since an earlier launch, unless that is freed first (`frees_first`).
  CUresult Launch(const std::vector<Step>& steps, bool frees_first);

  // The program frees an address; false if that is no graph's. `kept_or_null`: gets the memory, for
  // work that still uses it.
  bool Free(CUdeviceptr address, CUresult* result, GraphBlockPtr* kept_or_null = nullptr);
  // The memory is gone with its context.
  void Forget(CUdeviceptr address);

  // Whether any graph ever had memory: until then nobody need ask.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  // Memory that is not in use is not counted as used any more.
  CUresult Trim(int device);
  CUresult Tell(int device, CUgraphMem_attribute attribute, void* value);
  CUresult Set(int device, CUgraphMem_attribute attribute, const void* value);

 private:
  friend class GraphBlock;

  using Live = std::map<uint64_t, GraphBlockPtr>;  // by address

  struct Use {
    uint64_t used_bytes = 0;
    uint64_t used_bytes_high = 0;
    uint64_t held_bytes = 0;
    uint64_t held_bytes_high = 0;
  };

  struct Block {
    std::weak_ptr<GraphBlock> block;
    bool used = false;              // by a launch, since it was trimmed last
    std::set<wire::Handle> reused;  // nodes that free it for another node, which has it again
  };

  struct State {
    std::map<uint64_t, Block> blocks;  // by address
    Live live;                         // allocated by a launch and not freed since
    std::map<int, Use> uses;           // by device
  };

  static void NoteUse(State& state, const GraphBlock& block);
  static void Drop(State& state, const GraphBlock& block);
  static GraphBlockPtr Leave(State& state, uint64_t address);
  GraphBlockPtr Reuse(const NodePlace& place, int device, uint64_t bytes);
  void End(const GraphBlock& block);

  Graphs& graphs_;
  MemorySource& source_;
  std::atomic<bool> any_{false};
  Guarded<State> state_;
};

}  // namespace farlane::graph
