// SPDX-License-Identifier: Apache-2.0
// Module is code loaded into one context; Library is code that is loaded into a context when that
// context first uses it. Function is a kernel of either: a program may launch both, by one handle
// type.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/device/context.h"
#include "soft-gpu/device/kernel_program.h"
#include "soft-gpu/device/references.h"

namespace farlane::soft {

class Library;
class Module;

// What a program can set about a kernel. `dynamic_shared_max` bounds its launches; the rest is
// kept and answered.
struct FunctionSettings {
  uint32_t dynamic_shared_max = 0;
  int carveout = -1;
  std::map<int, int> cluster;  // attributes of clusters, by number
};

// Shared by a kernel of a library and its functions in every context.
using SharedSettings = std::shared_ptr<Guarded<FunctionSettings>>;

// Shared by the handle table, its module or library, and calls that use it.
// Thread: immutable, but for its settings.
struct Function {
  uint64_t handle = 0;
  uint32_t index = 0;              // in the program
  bool contextless = false;        // a library's kernel: it runs in whichever context is current
  std::weak_ptr<Module> module;    // of all others
  std::weak_ptr<Library> library;  // of a library's kernel, and of its functions
  std::string name;
  SharedSettings settings;
};

// Shared by the handle table and by work under way.
// Thread: immutable, but for what its references are bound to.
class Module {
 public:
  Module(std::shared_ptr<Context> context, std::unique_ptr<KernelProgram> program, int architecture)
      : context_(std::move(context)), program_(std::move(program)), architecture_(architecture) {}

  const std::shared_ptr<Context>& context() const { return context_; }

  KernelProgram& program() { return *program_; }

  // What its code was compiled for; 90: compute capability 9.0.
  int architecture() const { return architecture_; }

  uint64_t handle() const { return handle_; }

  std::vector<std::shared_ptr<Function>>& functions() { return functions_; }

  // Its texture and surface references, with handles of their own.
  std::vector<std::shared_ptr<Reference>>& references() { return references_; }

  std::shared_ptr<Reference> FindReference(const std::string& name, bool is_surface) const;

  // What they are bound to, for a launch.
  std::shared_ptr<const BoundReferences> bound_references() const { return bound_.Get(); }

  ReferenceBindings& bindings() { return bound_; }

  // Null if there is none of that name. The hint is where it probably is.
  std::shared_ptr<Function> Find(const std::string& name, size_t index_hint = 0) const;
  const VariableFacts* FindVariable(const std::string& name) const;

  // Called once, before the module is shared.
  void SetHandle(uint64_t handle) { handle_ = handle; }

 private:
  std::shared_ptr<Context> context_;  // shared with the driver: late launches still report to it
  std::unique_ptr<KernelProgram> program_;
  int architecture_;
  uint64_t handle_ = 0;
  std::vector<std::shared_ptr<Function>> functions_;
  std::vector<std::shared_ptr<Reference>> references_;
  ReferenceBindings bound_;
};

// Shared by the handle table and by calls that use it.
// Thread: any, guarded.
class Library {
 public:
  struct Modules {
    std::map<uint64_t, std::shared_ptr<Module>> by_context;
    Outcome refusal;  // what loading the code gave, where trying again would give the same
  };

  explicit Library(std::shared_ptr<const CodeImage> code) : code_(std::move(code)) {}

  const CodeImage& code() const { return *code_; }

  Guarded<Modules>& modules() { return modules_; }

  std::vector<std::shared_ptr<Function>>& kernels() { return kernels_; }

  std::shared_ptr<Function> Find(const std::string& name) const;

  uint64_t handle() const { return handle_; }

  void SetHandle(uint64_t handle) { handle_ = handle; }

 private:
  std::shared_ptr<const CodeImage> code_;  // shared with the call that loaded it
  uint64_t handle_ = 0;
  std::vector<std::shared_ptr<Function>> kernels_;
  Guarded<Modules> modules_;
};

}  // namespace farlane::soft
