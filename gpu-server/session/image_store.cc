// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/image_store.h"

#include <algorithm>
#include <cstring>

#include "protocol/base/sha256.h"

namespace farlane::server {
namespace {

// Room taken at once for an image that is only announced; more comes with the pieces.
constexpr uint64_t kFirstBytes = 16_MiB;

}  // namespace

ImageHash HashFromWords(uint64_t word_0, uint64_t word_1, uint64_t word_2, uint64_t word_3) {
  const uint64_t words[4] = {word_0, word_1, word_2, word_3};
  ImageHash hash;
  static_assert(sizeof words == sizeof hash);
  memcpy(hash.data(), words, sizeof words);
  return hash;
}

std::array<uint64_t, 4> WordsFromHash(const ImageHash& hash) {
  std::array<uint64_t, 4> words;
  static_assert(sizeof words == sizeof hash);
  memcpy(words.data(), hash.data(), sizeof words);
  return words;
}

ImageHash HashOf(ConstBytes bytes) {
  const Sha256Digest digest = Sha256(bytes);
  ImageHash hash;
  static_assert(sizeof hash == sizeof digest);
  memcpy(hash.data(), digest.data(), sizeof hash);
  return hash;
}

ImageBytes ImageStore::Find(const ImageHash& hash) {
  return shelf_.With([&hash](Shelf& shelf) -> ImageBytes {
    const auto found = shelf.images.find(hash);
    if (found == shelf.images.end()) {
      return nullptr;
    }
    shelf.by_age.splice(shelf.by_age.begin(), shelf.by_age, found->second.age);
    return found->second.image;
  });
}

void ImageStore::Put(const ImageHash& hash, ImageBytes image) {
  if (image->size() > bytes_max_) {
    return;
  }
  shelf_.With([&](Shelf& shelf) {
    if (shelf.images.contains(hash)) {
      return;
    }
    while (shelf.bytes + image->size() > bytes_max_) {
      const auto oldest = shelf.images.find(shelf.by_age.back());
      shelf.bytes -= oldest->second.image->size();
      shelf.images.erase(oldest);
      shelf.by_age.pop_back();
    }
    shelf.by_age.push_front(hash);
    shelf.bytes += image->size();
    shelf.images[hash] = {.image = std::move(image), .age = shelf.by_age.begin()};
  });
}

ImageInbox::Expectation ImageInbox::Expect(const ImageHash& hash, uint64_t bytes, Arrived arrived) {
  const auto found = pending_.find(hash);
  if (found != pending_.end()) {
    if (found->second.bytes != bytes) {
      return Expectation::kImpossible;
    }
    found->second.waiting.push_back(std::move(arrived));
    return Expectation::kAlready;
  }
  if (pending_.size() >= kPendingMax || bytes == 0 || bytes > kImageBytesMax) {
    return Expectation::kImpossible;
  }
  Pending& pending = pending_[hash];
  pending.bytes = bytes;
  pending.received.reserve(std::min(bytes + 1, kFirstBytes));
  pending.waiting.push_back(std::move(arrived));
  return Expectation::kFirst;
}

wire::WireError ImageInbox::AddPiece(const ImageHash& hash, uint64_t offset, ConstBytes data) {
  const auto found = pending_.find(hash);
  if (found == pending_.end()) {
    return wire::WireError::kBadReference;
  }
  Pending& pending = found->second;
  if (offset != pending.received.size() || data.empty() ||
      data.size() > pending.bytes - pending.received.size()) {
    return wire::WireError::kBadValue;
  }
  pending.received.insert(pending.received.end(), data.begin(), data.end());
  if (pending.received.size() < pending.bytes) {
    return wire::WireError::kNone;
  }
  pending.received.push_back(std::byte{0});
  const auto image = std::make_shared<const std::vector<std::byte>>(std::move(pending.received));
  const std::vector<Arrived> waiting = std::move(pending.waiting);
  pending_.erase(found);
  for (const Arrived& arrived : waiting) {
    arrived(image);
  }
  return wire::WireError::kNone;
}

}  // namespace farlane::server
