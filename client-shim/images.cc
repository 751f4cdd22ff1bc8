// SPDX-License-Identifier: Apache-2.0
#include "client-shim/images.h"

#include <cstring>

#include "client-shim/session.h"
#include "protocol/base/sha256.h"

namespace farlane::shim {

ImageHash HashImage(ConstBytes image) {
  const Sha256Digest digest = Sha256(image);
  ImageHash hash;
  static_assert(sizeof hash == sizeof digest);
  memcpy(hash.data(), digest.data(), sizeof hash);
  return hash;
}

ImageHash Images::Offer(std::shared_ptr<const std::vector<std::byte>> image) {
  const ImageHash hash = HashImage(*image);
  state_.With([&](State& state) {
    Offered& offered = state.offered[hash];
    offered.bytes = std::move(image);
    ++offered.offers_count;
  });
  return hash;
}

void Images::Withdraw(const ImageHash& hash) {
  state_.With([&](State& state) {
    const auto found = state.offered.find(hash);
    if (found != state.offered.end() && --found->second.offers_count == 0) {
      state.offered.erase(found);
    }
  });
}

wire::WireError Images::OnWanted(const wire::MessageView& message) {
  wire::ImageWanted wanted;
  FARLANE_WIRE_TRY(Decode(message.body, &wanted));
  const ImageHash hash{wanted.hash_0, wanted.hash_1, wanted.hash_2, wanted.hash_3};
  return state_.With([&](State& state) {
    if (state.offered.count(hash) == 0) {
      return wire::WireError::kBadReference;
    }
    state.wanted.push_back(hash);
    has_wanted_.store(true, std::memory_order_release);
    return wire::WireError::kNone;
  });
}

void Images::SendWanted() {
  std::vector<ImageHash> wanted;
  std::vector<std::shared_ptr<const std::vector<std::byte>>> bytes;
  state_.With([&](State& state) {
    wanted.swap(state.wanted);
    has_wanted_.store(false, std::memory_order_release);
    for (const ImageHash& hash : wanted) {
      const auto found = state.offered.find(hash);
      bytes.push_back(found == state.offered.end() ? nullptr : found->second.bytes);
    }
  });
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (bytes[i] == nullptr) {
      continue;  // its load was answered in the meantime
    }
    const ConstBytes image(*bytes[i]);
    for (size_t at = 0; at < image.size(); at += wire::kPieceBytes) {
      session_.Post(
          0, wire::ImagePiece{.hash_0 = wanted[i][0],
                              .hash_1 = wanted[i][1],
                              .hash_2 = wanted[i][2],
                              .hash_3 = wanted[i][3],
                              .offset = at,
                              .data = image.subspan(
                                  at, std::min<size_t>(wire::kPieceBytes, image.size() - at))});
    }
  }
}

}  // namespace farlane::shim
