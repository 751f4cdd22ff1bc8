// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/mirrors.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include <sys/mman.h>

#include "protocol/wire/packed_bytes.h"

namespace farlane::server {
namespace {

// Most of what is compared is the same: as much as this is looked at in one go.
constexpr uint64_t kPageBytes = 4_KiB;
// Where something differs, whole blocks of this are sent.
constexpr uint64_t kBlockBytes = 64;
// What is the same between two blocks is sent along where less than this would be saved: a message
// costs both sides more.
constexpr uint64_t kGapBytes = 512;

void Add(std::vector<ChangedRun>* runs, uint64_t at, uint64_t bytes) {
  if (!runs->empty() && at - (runs->back().at + runs->back().bytes) < kGapBytes) {
    runs->back().bytes = at + bytes - runs->back().at;
  } else {
    runs->push_back({.at = at, .bytes = bytes});
  }
}

}  // namespace

std::shared_ptr<Mirror> Mirror::Make(uint64_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  return std::shared_ptr<Mirror>(new Mirror(Bytes(static_cast<std::byte*>(memory), bytes)));
}

Mirror::~Mirror() {
  munmap(known_.data(), known_.size());
}

void Mirror::Note(uint64_t at, ConstBytes sent, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  wire::Unpack(sent, bytes, 0, known_.subspan(at, bytes));
}

std::vector<ChangedRun> Mirror::Take(uint64_t at, ConstBytes now) {
  std::vector<ChangedRun> runs;
  const std::lock_guard<std::mutex> lock(mutex_);
  std::byte* const known = known_.data() + at;
  const auto differs = [&](uint64_t from, uint64_t bytes) {
    return memcmp(known + from, now.data() + from, bytes) != 0;
  };
  for (uint64_t page = 0; page < now.size(); page += kPageBytes) {
    const uint64_t page_end = std::min<uint64_t>(now.size(), page + kPageBytes);
    if (!differs(page, page_end - page)) {
      continue;
    }
    for (uint64_t block = page; block < page_end; block += kBlockBytes) {
      const uint64_t bytes = std::min(kBlockBytes, page_end - block);
      if (differs(block, bytes)) {
        Add(&runs, block, bytes);
      }
    }
  }
  for (const ChangedRun& run : runs) {
    memcpy(known + run.at, now.data() + run.at, run.bytes);
  }
  return runs;
}

bool Mirrors::Begin(uint64_t address, uint64_t bytes, bool* made) {
  const auto after = mirrors_.lower_bound(address);
  if (after != mirrors_.end() && after->first - address < bytes) {
    return false;
  }
  if (after != mirrors_.begin()) {
    const auto& [start, before] = *std::prev(after);
    if (address - start < before->bytes()) {
      return false;
    }
  }
  std::shared_ptr<Mirror> mirror = Mirror::Make(bytes);
  *made = mirror != nullptr;
  if (*made) {
    mirrors_.emplace_hint(after, address, std::move(mirror));
  }
  return true;
}

MirrorPlace Mirrors::Find(uint64_t address, uint64_t bytes) const {
  const auto after = mirrors_.upper_bound(address);
  if (after == mirrors_.begin()) {
    return {};
  }
  const auto& [start, mirror] = *std::prev(after);
  const uint64_t at = address - start;
  if (at >= mirror->bytes() || bytes > mirror->bytes() - at) {
    return {};
  }
  return {.mirror = mirror, .at = at};
}

}  // namespace farlane::server
