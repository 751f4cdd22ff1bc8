// SPDX-License-Identifier: Apache-2.0
// What the client knows of the objects it has made, so that most questions about them need no
// network.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client-shim/completions.h"
#include "client-shim/object_table.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::shim {

template <typename T>
wire::Handle ToWire(T* handle) {
  return reinterpret_cast<uint64_t>(handle);
}

template <typename T>
T FromWire(wire::Handle handle) {
  return reinterpret_cast<T>(handle);
}

struct Context {
  int32_t device = 0;
  bool primary = false;
  bool alive = false;  // exists on the server
  uint32_t flags = 0;
  uint32_t api_version = 0;
  uint64_t id = 0;
  CUfunc_cache cache_config = CU_FUNC_CACHE_PREFER_NONE;
};

struct Stream {
  wire::Handle context = 0;
  uint32_t flags = 0;
  int32_t priority = 0;
  uint64_t id = 0;
  std::shared_ptr<StreamProgress> progress =
      std::make_shared<StreamProgress>();  // shared with questions under way
};

struct Event {
  wire::Handle context = 0;
  std::shared_ptr<Recording> recording =
      std::make_shared<Recording>();  // shared with questions under way
};

// One kernel as the server's driver described it when its image was loaded.
struct Kernel {
  struct Parameter {
    uint32_t offset = 0;
    uint32_t bytes = 0;
  };

  std::string name;
  std::vector<Parameter> parameters;
  uint32_t parameters_bytes = 0;
  std::vector<int32_t> attributes;  // by CUfunction_attribute
};

struct Function {
  std::shared_ptr<Kernel>
      kernel;  // shared with its module; the program may keep a function past the module's end
  wire::Handle module = 0;
  bool library = false;
};

class LoadedModule;

struct Module {
  wire::Handle context = 0;                        // 0 for a library, which belongs to none
  std::shared_ptr<LoadedModule> loaded = nullptr;  // shared with calls that use it while it goes
};

// Which context (first) was given access to whose memory (second).
using PeerPairs = std::set<std::pair<wire::Handle, wire::Handle>>;

// Thread: any.
struct Objects {
  ObjectTable<Context> contexts{wire::HandleKind::kContext};
  ObjectTable<Stream> streams{wire::HandleKind::kStream};
  ObjectTable<Event> events{wire::HandleKind::kEvent};
  ObjectTable<Module> modules{wire::HandleKind::kModule};
  ObjectTable<Function> functions{wire::HandleKind::kFunction};
  Guarded<PeerPairs> peers;
  std::atomic<uint64_t> next_id{
      1};  // for cuCtxGetId and cuStreamGetId: never the same twice in a process
};

}  // namespace farlane::shim
