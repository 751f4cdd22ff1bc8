// SPDX-License-Identifier: Apache-2.0
// Arrays is what a client has of arrays, textures and surfaces. Arrays have the client's handles,
// their bytes are the ledger's; textures and surfaces have the driver's numbers, because kernels
// read them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "gpu-server/memory/credit_source.h"
#include "gpu-server/session/context_state.h"
#include "gpu-server/session/handle_table.h"
#include "protocol/abi/array_shape.h"

namespace farlane::server {

// What the driver has made, and the bytes that are counted for it. Shared by a mipmapped array, its
// levels, and the job that ends it.
// Thread: immutable but for its end.
struct ArrayMemory {
  CUarray array = nullptr;
  CUmipmappedArray mipmapped = nullptr;  // one of the two
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

  // What belongs to one context belongs to another from now on.
  void HandOver(const ContextPtr& from, const ContextPtr& to);
  // Forgets everything of a context. The memory is to be kept until the driver has ended it.
  std::vector<ArrayMemoryPtr> ForgetContext(const ContextPtr& context);

 private:
  using Objects = std::map<uint64_t, ContextPtr>;

  static ContextPtr TakeFrom(Objects* objects, uint64_t object);

  HandleTable<BoundArray> arrays_{wire::HandleKind::kArray};
  Objects textures_;
  Objects surfaces_;
};

}  // namespace farlane::server
