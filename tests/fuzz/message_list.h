// SPDX-License-Identifier: Apache-2.0
// MessageList is the input of a fuzzer whose target reads messages: one item after the other, so
// that numbers and lengths are always right and only what the messages say is wild. The mutator
// works on whole items, and on fields at their places.
// An item: u8 op, u8 words, words of 8 bytes. Ops above every message's are the target's own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "protocol/wire/messages.h"

// libFuzzer's own mutator, for what is inside of an item.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t size_max);

namespace farlane::fuzz {

inline constexpr size_t kItemWordsMax = 255;

struct Item {
  uint8_t op = 0;
  std::vector<std::byte> body;  // a multiple of 8 bytes

  size_t bytes() const { return 2 + body.size(); }
};

template <typename Message>
Item ItemOf(const Message& message) {
  Item item{.op = static_cast<uint8_t>(Message::kOp), .body = {}};
  std::vector<std::byte> whole(EncodedBytes(message));
  Encode(message, whole.data());
  item.body.assign(whole.begin() + sizeof(wire::MessageHeader), whole.end());
  return item;
}

// What is too short for another item is left out.
inline std::vector<Item> ReadItems(ConstBytes input) {
  std::vector<Item> items;
  while (input.size() >= 2) {
    const size_t body = std::min<size_t>(static_cast<size_t>(input[1]) * 8, input.size() - 2) & ~7u;
    const auto from = input.begin() + 2;
    items.push_back({.op = static_cast<uint8_t>(input[0]),
                     .body = {from, from + static_cast<ptrdiff_t>(body)}});
    input = input.subspan(2 + body);
  }
  return items;
}

inline void AppendItem(const Item& item, std::vector<std::byte>* to) {
  to->push_back(static_cast<std::byte>(item.op));
  to->push_back(static_cast<std::byte>(std::min(item.body.size() / 8, kItemWordsMax)));
  to->insert(to->end(), item.body.begin(),
             item.body.begin() +
                 static_cast<ptrdiff_t>(std::min(item.body.size() & ~7ul, kItemWordsMax * 8)));
}

// Changes lists of items.
// Thread: caller's.
class ListMutator {
 public:
  // `likely`: items that may be put in, with values that the target understands.
  ListMutator(const std::vector<Item>& likely, unsigned int seed)
      : likely_(likely), random_(seed) {}

  void Mutate(std::vector<Item>* items) {
    const size_t at = items->empty() ? 0 : Below(items->size());
    const auto place = items->begin() + static_cast<ptrdiff_t>(at);
    switch (items->empty() ? 0 : Below(10)) {
      case 0:
      case 1:
        items->insert(place, likely_[Below(likely_.size())]);
        break;
      case 2:
        items->erase(place);
        break;
      case 3:
        items->insert(items->begin() + static_cast<ptrdiff_t>(Below(items->size())),
                      Item(items->at(at)));
        break;
      case 4:
        std::swap(*place, items->at(Below(items->size())));
        break;
      case 5:
        MutateWildly(&*place);
        break;
      default:
        MutateField(&*place);
        break;
    }
  }

 private:
  size_t Below(size_t end) { return random_() % end; }

  // One number becomes another that could mean something.
  void MutateField(Item* item) {
    if (item->body.empty()) {
      return;
    }
    const size_t size = Below(3) == 0 ? 4 : 8;
    std::byte* const at = item->body.data() + Below(item->body.size() / size) * size;
    uint64_t value = 0;
    memcpy(&value, at, size);
    constexpr uint64_t kNumbers[] = {0,         1,          2,         3,          8,
                                     64,        4096,       1 << 18,   1ull << 21, 1ull << 26,
                                     INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};
    switch (Below(5)) {
      case 0:
        value = kNumbers[Below(std::size(kNumbers))];
        break;
      case 1:
        value += 1;
        break;
      case 2:
        value -= 1;
        break;
      case 3:
        value ^= 1ull << Below(size * 8);
        break;
      default:
        value =
            wire::MakeHandle(static_cast<wire::HandleKind>(1 + Below(8)),
                             static_cast<uint32_t>(Below(3)), static_cast<uint32_t>(1 + Below(2)));
        break;
    }
    memcpy(at, &value, size);
  }

  void MutateWildly(Item* item) {
    const size_t room = item->body.size() + 64;
    std::vector<uint8_t> bytes(room);
    memcpy(bytes.data(), item->body.data(), item->body.size());
    const size_t size = LLVMFuzzerMutate(bytes.data(), item->body.size(), room) & ~7ul;
    item->body.resize(size);
    memcpy(item->body.data(), bytes.data(), size);
  }

  const std::vector<Item>& likely_;
  std::minstd_rand random_;
};

// The input without its first `kept` bytes is mutated as a list; the new size.
inline size_t MutateList(uint8_t* data,
                         size_t size,
                         size_t size_max,
                         size_t kept,
                         const std::vector<Item>& likely,
                         unsigned int seed) {
  if (size < kept || size_max < kept) {
    return LLVMFuzzerMutate(data, size, size_max);
  }
  std::vector<Item> items = ReadItems(std::as_bytes(std::span(data + kept, size - kept)));
  ListMutator mutator(likely, seed);
  for (unsigned int round = 0; round <= seed % 3; ++round) {
    mutator.Mutate(&items);
  }
  std::vector<std::byte> changed;
  for (const Item& item : items) {
    if (kept + changed.size() + item.bytes() > size_max) {
      break;
    }
    AppendItem(item, &changed);
  }
  memcpy(data + kept, changed.data(), changed.size());
  return kept + changed.size();
}

}  // namespace farlane::fuzz
