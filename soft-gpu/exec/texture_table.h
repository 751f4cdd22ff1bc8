// SPDX-License-Identifier: Apache-2.0
// TextureTable gives textures and surfaces the numbers that kernels know them by. A number that was
// never given, or whose texture is gone, is found to be so: kernels pass any number they like.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/guarded.h"
#include "soft-gpu/exec/texture.h"

namespace farlane::soft {

// A texture's place stays in memory for good and is used again: a kernel that still reads a texture
// which the program has destroyed finds some texture's data, never memory that is no texture.
// Thread: any, guarded.
class TextureTable {
 public:
  // The process's: textures are found by kernels of any program.
  static TextureTable& Get();

  // 0 when there are too many.
  uint64_t Add(const Texture& texture);
  // False if the number means nothing.
  bool Remove(uint64_t number);
  // Null if the number means nothing.
  const Texture* Find(uint64_t number) const;

 private:
  static constexpr uint32_t kSlotsPerPage = 256;
  static constexpr uint32_t kPages = 4096;
  static constexpr unsigned kIndexBits = 20;

  struct Slot {
    std::atomic<uint64_t> number{0};  // 0: nobody's
    uint64_t generation = 0;
    Texture texture;
  };

  struct Places {
    uint32_t used = 0;
    std::vector<uint32_t> free;
    std::vector<std::unique_ptr<Slot[]>> pages;
  };

  Slot* SlotOrNull(uint64_t number) const;

  std::atomic<Slot*> pages_[kPages] = {};
  Guarded<Places> places_;
};

}  // namespace farlane::soft
