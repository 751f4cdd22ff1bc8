// SPDX-License-Identifier: Apache-2.0
// What every body about a texture or surface reference does: find it, read or change its state, and
// have launches to come see the change.
#pragma once

#include <memory>
#include <utility>

#include "soft-gpu/api/call.h"
#include "soft-gpu/device/references.h"

namespace farlane::soft {

// INVALID_VALUE for a handle that is no such reference.
CUresult FindReference(const PlainCall& call,
                       uint64_t handle,
                       bool is_surface,
                       std::shared_ptr<Reference>* reference);

// The array that a resource names; null for none, or if it is gone.
std::shared_ptr<const Array> ArrayOf(const PlainCall& call, const CUDA_RESOURCE_DESC& resource);

constexpr bool IsOfArray(CUresourcetype type) {
  return type == CU_RESOURCE_TYPE_ARRAY || type == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
}

// Launches to come see the reference so.
CUresult Show(const ContextCall& call, Reference& reference, const ReferenceState& state);

// Changes what `edit` changes in its state, unless that makes no texture or surface.
template <typename Edit>
CUresult Change(uint64_t handle, bool is_surface, Edit&& edit) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Reference> reference;
  FARLANE_SOFT_TRY(FindReference(call, handle, is_surface, &reference));
  return reference->state().With([&](ReferenceState& state) {
    ReferenceState next = state;
    const CUDA_RESOURCE_DESC& resource = next.object.resource;
    if (IsOfArray(resource.resType) && ArrayOf(call, resource) == nullptr) {
      next.is_bound = false;  // it was destroyed since
    }
    FARLANE_SOFT_TRY(edit(call, &next));
    FARLANE_SOFT_TRY(Show(call, *reference, next));
    state = next;
    return CUDA_SUCCESS;
  });
}

template <typename Read>
CUresult Ask(uint64_t handle, bool is_surface, bool has_room, Read&& read) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Reference> reference;
  FARLANE_SOFT_TRY(FindReference(call, handle, is_surface, &reference));
  if (!has_room) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return reference->state().With(
      [&](const ReferenceState& state) -> CUresult { return read(call, state); });
}

}  // namespace farlane::soft
