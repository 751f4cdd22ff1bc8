// SPDX-License-Identifier: Apache-2.0
// ImageStore keeps code images that were sent once, by their SHA-256, so that loading one again
// costs no transfer. Whoever asks has proved nothing but that it knows the name: a store must never
// be shared between tenants.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/wire_error.h"

namespace farlane::server {

using ImageHash = std::array<std::byte, 32>;

// As the wire carries it: the bytes of the hash in order, eight to a word.
ImageHash HashFromWords(uint64_t word_0, uint64_t word_1, uint64_t word_2, uint64_t word_3);
std::array<uint64_t, 4> WordsFromHash(const ImageHash& hash);
ImageHash HashOf(ConstBytes bytes);

// The largest image of NVIDIA's own libraries is a fifth of this.
inline constexpr uint64_t kImageBytesMax = 1_GiB;

// With a zero byte after the end, which PTX needs and everything else ignores.
using ImageBytes = std::shared_ptr<const std::vector<std::byte>>;

// Thread: any, guarded.
class ImageStore {
 public:
  // What is kept may be forgotten: the client sends it again.
  explicit ImageStore(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // Null when it is not here.
  ImageBytes Find(const ImageHash& hash);
  // The oldest ones make room.
  void Put(const ImageHash& hash, ImageBytes image);

 private:
  struct Entry {
    ImageBytes image;
    std::list<ImageHash>::iterator age;
  };

  struct Shelf {
    std::map<ImageHash, Entry> images;
    std::list<ImageHash> by_age;  // the one used last in front
    uint64_t bytes = 0;
  };

  const uint64_t bytes_max_;
  Guarded<Shelf> shelf_;
};

// Images that are on their way from the client, piece by piece.
// Thread: one at a time (the dispatch thread).
class ImageInbox {
 public:
  // Called with the whole image when its last piece has come. Its name is not proved yet.
  using Arrived = std::function<void(ImageBytes)>;

  // More images under way than any program loads at once.
  static constexpr size_t kPendingMax = 256;

  enum class Expectation : uint8_t { kFirst, kAlready, kImpossible };

  // Waits for an image of so many bytes. kFirst: the client has to be asked for it. kImpossible:
  // too many are under way, or the same name comes with another size.
  Expectation Expect(const ImageHash& hash, uint64_t bytes, Arrived arrived);

  // Pieces come in order; anything else is a breach.
  wire::WireError AddPiece(const ImageHash& hash, uint64_t offset, ConstBytes data);

 private:
  struct Pending {
    uint64_t bytes = 0;
    std::vector<std::byte> received;
    std::vector<Arrived> waiting;
  };

  std::map<ImageHash, Pending> pending_;
};

}  // namespace farlane::server
