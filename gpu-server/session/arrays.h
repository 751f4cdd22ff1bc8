// SPDX-License-Identifier: Apache-2.0
// Arrays is what a client has of arrays, textures and surfaces. Arrays and references have the
// client's handles, the bytes of arrays are the ledger's; textures and surfaces have the driver's
// numbers, because kernels read them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "gpu-server/memory/credit_source.h"
#include "gpu-server/memory/scrubber.h"
#include "gpu-server/session/context_state.h"
#include "gpu-server/session/handle_table.h"
#include "gpu-server/session/loaded_image.h"
#include "protocol/abi/array_shape.h"

namespace farlane::server {

// What the driver has made, and the bytes that are counted for it. Shared by a mipmapped array, its
// levels, and the job that ends it.
// Thread: immutable but for its end.
struct ArrayMemory {
  // Puts zeros into all of it, with all its levels; waits until that is done.
  CUresult Zero(const DriverTable& driver, const Scrubber& scrubber) const;

  CUarray array = nullptr;
  CUmipmappedArray mipmapped = nullptr;  // one of the two
  abi::ArrayShape shape;                 // of the whole
  Reservation reservation;
};

using ArrayMemoryPtr = std::shared_ptr<ArrayMemory>;

struct BoundArray {
  CUarray array = nullptr;  // null for a mipmapped array as a whole
  abi::ArrayShape shape;
  bool is_level = false;
  ArrayMemoryPtr memory;
  ContextPtr context;
};

// A texture or surface reference.
struct BoundReference {
  CUtexref texture = nullptr;
  CUsurfref surface = nullptr;               // one of the two
  std::shared_ptr<const LoadedImage> image;  // that declares it, shared with jobs; null: none does
  ContextPtr context;
  // How the driver reads by the texture, as far as it has been told or has told.
  CUarray_format format{};
  uint32_t channels = 0;
  CUDA_TEXTURE_DESC sampling{};
};

// Thread: one at a time (the dispatch thread).
class Arrays {
 public:
  wire::WireError CheckNew(wire::Handle handle) const { return arrays_.CheckNew(handle); }

  void Bind(wire::Handle handle, BoundArray array) { arrays_.Bind(handle, std::move(array)); }

  // Null when there is none; valid until the table changes.
  const BoundArray* Find(wire::Handle handle) { return arrays_.Find(handle); }

  // Whether a box lies in an array of the client, which comes out. On success only it may be used.
  CUresult Prove(wire::Handle handle, const abi::ArrayBox& box, CUarray* array);

  // Takes an array with all its levels; a level alone cannot be taken.
  bool Take(wire::Handle handle, BoundArray* array);

  void AddTexture(uint64_t object, ContextPtr context) { textures_[object] = std::move(context); }

  void AddSurface(uint64_t object, ContextPtr context) { surfaces_[object] = std::move(context); }

  // Null, and nothing has changed, if the client has no such one.
  ContextPtr TakeTexture(uint64_t object) { return TakeFrom(&textures_, object); }

  ContextPtr TakeSurface(uint64_t object) { return TakeFrom(&surfaces_, object); }

  wire::WireError CheckNewReference(wire::Handle handle) const {
    return references_.CheckNew(handle);
  }

  void BindReference(wire::Handle handle, BoundReference reference) {
    references_.Bind(handle, std::move(reference));
  }

  // Null when there is none; valid until the table changes.
  BoundReference* FindReference(wire::Handle handle) { return references_.Find(handle); }

  bool TakeReference(wire::Handle handle, BoundReference* reference) {
    return references_.Take(handle, reference);
  }

  // Its references go with a module.
  void ForgetReferencesOf(const LoadedImage& image) {
    references_.EraseIf([&image](const BoundReference& one) { return one.image.get() == &image; });
  }

  // What belongs to one context belongs to another from now on.
  void HandOver(const ContextPtr& from, const ContextPtr& to);
  // Everything that there is, each once.
  std::vector<BoundArray> All();
  // Forgets everything of a context. The memory is to be kept until the driver has ended it.
  std::vector<ArrayMemoryPtr> ForgetContext(const ContextPtr& context);

 private:
  using Objects = std::map<uint64_t, ContextPtr>;

  static ContextPtr TakeFrom(Objects* objects, uint64_t object);

  HandleTable<BoundArray> arrays_{wire::HandleKind::kArray};
  HandleTable<BoundReference> references_{wire::HandleKind::kReference};
  Objects textures_;
  Objects surfaces_;
};

}  // namespace farlane::server
