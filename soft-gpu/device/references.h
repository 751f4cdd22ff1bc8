// SPDX-License-Identifier: Apache-2.0
// References are textures and surfaces that a module declares by name: the program binds them, and
// each launch takes along what they stand for at that moment. What a launch under way reads does
// not change when the program binds anew.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/device/textures.h"
#include "soft-gpu/exec/launch.h"

namespace farlane::soft {

class Module;

// A texture's place in the process's table. Shared by the reference that is bound to it and by
// launches that may read it.
// Thread: immutable.
class TexturePlace {
 public:
  // 0 as its number: there are too many.
  explicit TexturePlace(const Texture& texture);
  TexturePlace(const TexturePlace&) = delete;
  TexturePlace& operator=(const TexturePlace&) = delete;
  ~TexturePlace();

  uint64_t number() const { return number_; }

 private:
  const uint64_t number_;
};

using TexturePlacePtr = std::shared_ptr<const TexturePlace>;  // shared as said above

// What the references of a module stand for at some moment. Shared by the launches of that time.
// Thread: immutable.
struct BoundReferences {
  std::vector<ReferenceNumber> numbers;
  std::map<uint32_t, TexturePlacePtr> places;  // by variable
};

// What they stand for now. Thread: any, guarded.
class ReferenceBindings {
 public:
  // Null for nothing.
  std::shared_ptr<const BoundReferences> Get() const {
    return bound_.With([](const auto& bound) { return bound; });
  }

  // Launches to come read `place` by the variable; null: nothing.
  void Put(uint32_t variable, TexturePlacePtr place);

 private:
  Guarded<std::shared_ptr<const BoundReferences>> bound_;
};

// How a reference is read, and what it is bound to. Thread: caller's.
struct ReferenceState {
  CUarray_format format = CU_AD_FORMAT_FLOAT;
  uint32_t channels = 1;
  bool is_bound = false;
  TextureObject object;
};

// Shared by its module, the handle table and calls that use it.
// Thread: any, guarded; BelongTo only before it is shared.
class Reference {
 public:
  Reference(uint64_t handle, uint64_t context, bool is_surface);

  void BelongTo(const std::shared_ptr<Module>& module, std::string name, uint32_t variable);

  uint64_t handle() const { return handle_; }

  uint64_t context() const { return context_; }

  bool is_surface() const { return is_surface_; }

  const std::string& name() const { return name_; }

  // Null for one that the program has made, and where the module is gone.
  std::shared_ptr<Module> module() const { return module_.lock(); }

  bool is_declared() const { return !name_.empty(); }

  uint32_t variable() const { return variable_; }

  Guarded<ReferenceState>& state() { return state_; }

 private:
  const uint64_t handle_;
  const uint64_t context_;
  const bool is_surface_;
  std::string name_;
  uint32_t variable_ = 0;
  std::weak_ptr<Module> module_;
  Guarded<ReferenceState> state_;
};

}  // namespace farlane::soft
