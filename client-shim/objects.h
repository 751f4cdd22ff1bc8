// SPDX-License-Identifier: Apache-2.0
// What the client knows of the objects it has made, so that most questions about them need no
// network.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client-shim/completions.h"
#include "client-shim/host_calls.h"
#include "protocol/abi/array_shape.h"
#include "protocol/abi/coredump_settings.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/abi/memory_advice.h"
#include "protocol/abi/stream_attributes.h"
#include "protocol/base/guarded.h"
#include "protocol/graph/graphs.h"
#include "protocol/wire/object_table.h"

namespace farlane::shim {

using wire::FromWire;
using wire::ObjectTable;
using wire::ToWire;

// Shared with calls that use them while their stream goes.
using StreamAttributesPtr = std::shared_ptr<abi::StreamAttributes>;

struct Context {
  int32_t device = 0;
  bool primary = false;
  bool alive = false;  // exists on the server
  uint32_t flags = 0;
  uint32_t api_version = 0;
  uint64_t id = 0;
  wire::Handle home = 0;  // of a green context: the primary one, to which all that is made belongs
  CUfunc_cache cache_config = CU_FUNC_CACHE_PREFER_NONE;
  StreamAttributesPtr attributes =
      std::make_shared<abi::StreamAttributes>();  // of its legacy stream
  std::shared_ptr<abi::CoredumpSettings> coredump =
      std::make_shared<abi::CoredumpSettings>();  // shared with calls that use it while it goes
};

struct Stream {
  wire::Handle context = 0;
  uint32_t flags = 0;
  StreamAttributesPtr attributes = std::make_shared<abi::StreamAttributes>();
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

// Where the server's driver records a graph with conditions: theirs are numbers of a graph that it
// has. Shared by the graph and by what was made ready from it; who holds it last ends it.
struct GraphHome {
  wire::Handle handle = 0;
  size_t users = 0;      // looked at and changed where the list of them is held
  std::mutex recording;  // not Guarded: held while messages go out
};

using GraphHomePtr = std::shared_ptr<GraphHome>;          // shared as said above
using GraphHomes = std::map<wire::Handle, GraphHomePtr>;  // by the graph that is in no other

// A graph that the server's driver has ready to run, as it was then.
struct GraphExec {
  wire::Handle server = 0;   // its handle there; another one after it was changed
  wire::Handle context = 0;  // in which it was made ready
  bool changed = false;      // since then: the next launch makes it ready again
  std::vector<graph::Step> steps;
  GraphHomePtr home{};                    // null for a graph without conditions
  std::vector<HostCallPtr> host_calls{};  // those that a launch makes due
  std::vector<wire::Handle> events{};     // those that a launch records
  bool waits = false;                     // for a value, somewhere in it
  bool has_memory = false;                // that launches allocate or free
  uint64_t flags = 0;
  graph::ObjectHolds objects{};
};

// An array, a mipmapped one, or a level of that.
struct ArrayObject {
  abi::ArrayShape shape{};
  bool is_mipmapped = false;
  wire::Handle parent = 0;  // the mipmapped array whose level it is
  wire::Handle context = 0;
};

// The levels that the program has asked for, by mipmapped array and number.
using ArrayLevels = std::map<std::pair<wire::Handle, uint32_t>, wire::Handle>;

// A texture or surface as the program described it.
struct TextureObject {
  wire::Handle context = 0;
  CUDA_RESOURCE_DESC resource{};
  CUDA_TEXTURE_DESC texture{};
  CUDA_RESOURCE_VIEW_DESC view{};
};

// By the driver's own number.
using TextureObjects = std::map<uint64_t, TextureObject>;

// A texture or surface reference: how it is read, and what it stands for. The server's driver says
// how it is read before the program has set anything.
struct ReferenceObject {
  wire::Handle context = 0;
  wire::Handle module = 0;  // that declares it; 0 where the program has made it
  std::string name{};
  bool is_surface = false;
  CUarray_format format{};
  uint32_t channels = 0;
  CUDA_TEXTURE_DESC sampling{};
  bool is_bound = false;
  CUDA_RESOURCE_DESC resource{};  // that it is bound to
};

// Which context (first) was given access to whose memory (second).
using PeerPairs = std::set<std::pair<wire::Handle, wire::Handle>>;

// Thread: any.
struct Objects {
  // `server`: of a program with several, the one that knows these objects.
  explicit Objects(uint32_t server)
      : contexts(wire::HandleKind::kContext, server),
        streams(wire::HandleKind::kStream, server),
        events(wire::HandleKind::kEvent, server),
        modules(wire::HandleKind::kModule, server),
        functions(wire::HandleKind::kFunction, server),
        graph_execs(wire::HandleKind::kGraphExec, server),
        graph_home_handles(wire::HandleKind::kGraphHome, server),
        arrays(wire::HandleKind::kArray, server),
        references(wire::HandleKind::kReference, server),
        next_id((uint64_t{server} << 48) + 1) {}

  // The context to which belongs what is made in this one.
  wire::Handle HomeOf(wire::Handle context) {
    const Context* found = contexts.Find(context);
    return found == nullptr || found->home == 0 ? context : found->home;
  }

  ObjectTable<Context> contexts;
  ObjectTable<Stream> streams;
  ObjectTable<Event> events;
  ObjectTable<Module> modules;
  ObjectTable<Function> functions;
  ObjectTable<GraphExec> graph_execs;
  // Only to number them.
  ObjectTable<GraphHomePtr> graph_home_handles;
  Guarded<GraphHomes> graph_homes;
  ObjectTable<ArrayObject> arrays;
  Guarded<ArrayLevels> array_levels;
  Guarded<TextureObjects> textures;
  Guarded<TextureObjects> surfaces;
  ObjectTable<ReferenceObject> references;
  // Held while the server is asked for one, so that a name has one handle.
  std::mutex finding_references;
  Guarded<PeerPairs> peers;
  abi::MemoryAdvice advice;  // about managed memory
  std::atomic<uint64_t>
      next_id;  // for cuCtxGetId and cuStreamGetId: never the same twice in a process
};

}  // namespace farlane::shim
