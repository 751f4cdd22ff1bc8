// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/references.h"

#include <utility>

#include "soft-gpu/exec/texture_table.h"

namespace farlane::soft {

TexturePlace::TexturePlace(const Texture& texture) : number_(TextureTable::Get().Add(texture)) {}

TexturePlace::~TexturePlace() {
  static_cast<void>(TextureTable::Get().Remove(number_));  // false where there was no place
}

void ReferenceBindings::Put(uint32_t variable, TexturePlacePtr place) {
  bound_.With([&](std::shared_ptr<const BoundReferences>& bound) {
    auto next = std::make_shared<BoundReferences>();
    if (bound != nullptr) {
      next->places = bound->places;
    }
    if (place != nullptr) {
      next->places[variable] = std::move(place);
    } else {
      next->places.erase(variable);
    }
    for (const auto& [of, held] : next->places) {
      next->numbers.push_back({of, held->number()});
    }
    bound = std::move(next);
  });
}

Reference::Reference(uint64_t handle, uint64_t context, bool is_surface)
    : handle_(handle), context_(context), is_surface_(is_surface) {
  state_.With([&](ReferenceState& state) {
    state.object.is_surface = is_surface;
    state.object.context = context;
    for (CUaddress_mode& mode : state.object.texture.addressMode) {
      mode = CU_TR_ADDRESS_MODE_CLAMP;
    }
  });
}

void Reference::BelongTo(const std::shared_ptr<Module>& module,
                         std::string name,
                         uint32_t variable) {
  module_ = module;
  name_ = std::move(name);
  variable_ = variable;
}

}  // namespace farlane::soft
