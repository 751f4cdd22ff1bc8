// SPDX-License-Identifier: Apache-2.0
// Globals places a module's .global and .const variables in device memory and gives them their
// initial values. The memory goes back when it is destroyed. A variable that this device cannot
// provide does not spoil the module: it has a problem, and kernels that name it must not run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft {

struct GlobalInfo {
  std::string name;
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  bool constant = false;
  bool managed = false;
};

// A texture or surface reference. It has no memory: what it stands for comes with each launch.
struct ReferenceInfo {
  std::string name;
  uint32_t variable = 0;  // Module::variables index
  bool is_surface = false;
};

// Where a program's globals live: the device gives zeroed, writable device memory and takes it
// back. Thread: any.
class GlobalPlaces {
 public:
  virtual ~GlobalPlaces() = default;
  virtual Result<uint64_t> Allocate(uint64_t size_bytes, uint64_t align_bytes) = 0;
  virtual void Free(uint64_t address) = 0;
};

// Thread: immutable once placed.
class Globals {
 public:
  explicit Globals(GlobalPlaces& places) : places_(places) {}

  Globals(const Globals&) = delete;
  Globals& operator=(const Globals&) = delete;
  ~Globals();

  // `functions_base` is where the addresses of the module's functions begin: jit/block_frame.h.
  Status Place(const ptx::Module& module, uint64_t functions_base);

  // Addresses by Module::variables index; 0 for what is not placed (shared, extern).
  std::span<const uint64_t> addresses() const { return addresses_; }

  std::span<const GlobalInfo> infos() const { return infos_; }

  std::span<const ReferenceInfo> references() const { return references_; }

  // Functions whose address is in a variable: Module::functions, sorted.
  std::span<const uint32_t> functions() const { return functions_; }

  // Why a kernel cannot use a variable, to be read after its name; empty if it can.
  std::string_view ProblemOf(uint32_t variable) const;

  GlobalPlaces& places() const { return places_; }

 private:
  Status Initialise(const ptx::Module& module, uint32_t index);
  // Null if what the relocation names has an address, which is then set; else why it has none.
  const char* FindAddress(const ptx::Module& module,
                          const ptx::Relocation& relocation,
                          uint64_t* address);

  GlobalPlaces& places_;
  uint64_t memory_ = 0;
  std::vector<uint64_t> addresses_;
  std::vector<GlobalInfo> infos_;
  std::vector<ReferenceInfo> references_;
  std::vector<uint32_t> functions_;
  uint64_t functions_base_ = 0;
  std::unordered_map<uint32_t, std::string> problems_;  // by Module::variables index
};

}  // namespace farlane::soft
