// SPDX-License-Identifier: Apache-2.0
// Driver is the software GPU of one process: its devices, their memory, and every object that a
// program has a handle to. There is one from cuInit to the end of the process, never taken down:
// exit handlers of closed libraries still call it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/abi/memory_advice.h"
#include "protocol/graph/captures.h"
#include "soft-gpu/device/address_space.h"
#include "soft-gpu/device/arrays.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/context.h"
#include "soft-gpu/device/device.h"
#include "soft-gpu/device/device_memory.h"
#include "soft-gpu/device/engines.h"
#include "soft-gpu/device/event.h"
#include "soft-gpu/device/graph_exec.h"
#include "soft-gpu/device/graph_source.h"
#include "soft-gpu/device/handle_table.h"
#include "soft-gpu/device/host_memory.h"
#include "soft-gpu/device/link_state.h"
#include "soft-gpu/device/memory_pools.h"
#include "soft-gpu/device/module.h"
#include "soft-gpu/device/opened_memory.h"
#include "soft-gpu/device/references.h"
#include "soft-gpu/device/table_allocations.h"
#include "soft-gpu/device/textures.h"
#include "soft-gpu/device/virtual_memory.h"

namespace farlane::soft {

// Thread: any; its parts guard themselves.
class Driver {
 public:
  // Makes the process's driver, once. A failure stays the answer.
  static CUresult Start();
  // Null before Start, and in a forked child: threads and memory stayed with the parent.
  static Driver* Get();

  const Config& config() const { return config_; }

  const std::vector<Device>& devices() const { return devices_; }

  // Null: work takes as long as it takes here.
  const DeviceModel* model_or_null() const { return config_.model ? &*config_.model : nullptr; }

  // Null if there is no such device.
  const Device* FindDevice(CUdevice ordinal) const;

  // Contexts.
  std::shared_ptr<Context> CreateContext(int device, uint32_t flags);

  const std::shared_ptr<Context>& primary(int device) const {
    return primaries_[static_cast<size_t>(device)];
  }

  // A green context of a device's processors, which retains the device's primary one.
  std::shared_ptr<Context> CreateGreen(const ProcessorSet& processors);
  // Does not release the primary one.
  void CloseGreen(const std::shared_ptr<Context>& green);

  CUresult RetainPrimary(int device);
  CUresult ReleasePrimary(int device);
  // Takes everything in the context down; a primary one can be opened again.
  void CloseContext(const std::shared_ptr<Context>& context);
  void SetPrimaryFlags(int device, uint32_t flags);
  uint32_t primary_flags(int device) const;

  // Modules and libraries.
  Outcome LoadModule(const std::shared_ptr<Context>& context,
                     const CodeImage& code,
                     const std::shared_ptr<Library>& library_or_null,
                     std::shared_ptr<Module>* module);
  std::shared_ptr<Library> AddLibrary(std::shared_ptr<const CodeImage> code);
  // The library's code in a context, loaded on first use.
  Outcome ModuleOf(const std::shared_ptr<Library>& library,
                   const std::shared_ptr<Context>& context,
                   std::shared_ptr<Module>* module);
  void UnloadModule(const std::shared_ptr<Module>& module);
  void UnloadLibrary(const std::shared_ptr<Library>& library);

  AddressSpace& space() { return *space_; }

  DeviceMemory& memory() { return *memory_; }

  HostMemory& host_memory() { return *host_memory_; }

  VirtualMemory& virtual_memory() { return *virtual_memory_; }

  OpenedMemory& opened_memory() { return opened_memory_; }

  MemoryPools& pools() { return *pools_; }

  Arrays& arrays() { return arrays_; }

  abi::MemoryAdvice& advice() { return advice_; }

  Textures& textures() { return textures_; }

  HandleTable<Reference>& references() { return references_; }

  HandleTable<Context>& contexts() { return contexts_; }

  HandleTable<Stream>& streams() { return streams_; }

  HandleTable<Event>& events() { return events_; }

  HandleTable<Module>& modules() { return modules_; }

  HandleTable<Library>& libraries() { return libraries_; }

  HandleTable<Function>& functions() { return functions_; }

  HandleTable<LinkState>& links() { return links_; }

  // What green contexts are made of. Nothing ends one.
  HandleTable<ProcessorSet>& descriptions() { return descriptions_; }

  // Graphs.
  graph::GraphMemory& graph_memory() { return *graph_memory_; }

  graph::UserObjects& user_objects() { return user_objects_; }

  graph::Graphs& graphs() { return graphs_; }

  graph::Captures& captures() { return captures_; }

  HandleTable<GraphExec>& graph_execs() { return graph_execs_; }

 private:
  struct Primary {
    uint32_t retains = 0;
    uint32_t flags = 0;
  };

  Driver(const Config& config, std::unique_ptr<AddressSpace> space);

  static Result<std::unique_ptr<Driver>> Make();
  Status MakeEngines();

  Engines* EnginesOf(int device) const {
    return engines_.empty() ? nullptr : engines_[static_cast<size_t>(device)].get();
  }

  void MakePrimaries();
  void AddReferences(const std::shared_ptr<Module>& module);
  void AddFunctions(const std::shared_ptr<Module>& module, const std::shared_ptr<Library>& library);

  Config config_;
  std::unique_ptr<AddressSpace> space_;
  std::unique_ptr<DeviceMemory> memory_;
  std::unique_ptr<HostMemory> host_memory_;
  std::unique_ptr<VirtualMemory> virtual_memory_;
  std::unique_ptr<TableAllocations> allocations_;
  std::unique_ptr<MemoryPools> pools_;
  OpenedMemory opened_memory_{space_.get()};
  Arrays arrays_{memory_.get()};
  abi::MemoryAdvice advice_;  // about managed memory
  Textures textures_;
  std::vector<Device> devices_;
  std::vector<std::unique_ptr<Engines>> engines_;  // by device; none: they are not modelled
  HandleTable<Context> contexts_{HandleKind::kContext};
  HandleTable<Stream> streams_{HandleKind::kStream};
  HandleTable<Event> events_{HandleKind::kEvent};
  HandleTable<Module> modules_{HandleKind::kModule};
  HandleTable<Library> libraries_{HandleKind::kLibrary};
  HandleTable<Function> functions_{HandleKind::kFunction};
  HandleTable<LinkState> links_{HandleKind::kLink};
  HandleTable<Reference> references_{HandleKind::kReference};
  HandleTable<ProcessorSet> descriptions_{HandleKind::kDescription};
  graph::UserObjects user_objects_;
  std::unique_ptr<GraphSource> graph_source_;
  std::unique_ptr<graph::GraphMemory> graph_memory_;
  graph::Graphs graphs_;
  graph::Captures captures_{graphs_};
  HandleTable<GraphExec> graph_execs_{HandleKind::kGraphExec};
  std::vector<std::shared_ptr<Context>> primaries_;  // by device
  Guarded<std::vector<Primary>> primary_states_;
  std::atomic<uint64_t> context_ids_{0};
};

}  // namespace farlane::soft
