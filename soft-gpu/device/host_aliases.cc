// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/host_aliases.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

#include <sys/mman.h>
#include <sys/stat.h>

#include "protocol/base/log.h"
#include "soft-gpu/exec/frame_rights.h"
#include "soft-gpu/exec/page_move.h"

namespace farlane::soft {
namespace {

// What lies in a range of the process's pages.
enum class Pages {
  kOther,    // something that cannot be had twice, or of several kinds
  kPrivate,  // memory of this process alone
  kShared,   // one mapping that others may have as well
};

// One line of the kernel's list.
struct Mapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  char rights[5] = "";
  uint64_t inode = 0;
  char name[16] = "";  // its beginning
};

template <typename Visit>
void ForEachMapping(uint64_t begin, uint64_t end, const Visit& visit) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen("/proc/self/maps", "re"), &fclose);
  char line[512];
  while (file != nullptr && fgets(line, sizeof line, file.get()) != nullptr) {
    Mapping mapping;
    const int fields =
        sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64 " %15s", &mapping.begin,
               &mapping.end, mapping.rights, &mapping.inode, mapping.name);
    if (fields >= 4 && mapping.begin < end && mapping.end > begin) {
      visit(mapping);
    }
  }
}

Pages KindOf(uint64_t begin, uint64_t end) {
  size_t count = 0;
  size_t of_process = 0;
  uint64_t covered = 0;
  bool is_shared = false;
  ForEachMapping(begin, end, [&](const Mapping& mapping) {
    ++count;
    covered += std::min(end, mapping.end) - std::max(begin, mapping.begin);
    is_shared = strcmp(mapping.rights, "rw-s") == 0;
    const bool has_place = strcmp(mapping.name, "[stack]") == 0;
    of_process += strcmp(mapping.rights, "rw-p") == 0 && mapping.inode == 0 && !has_place ? 1 : 0;
  });
  if (covered != end - begin) {
    return Pages::kOther;
  }
  return count == of_process       ? Pages::kPrivate
         : count == 1 && is_shared ? Pages::kShared
                                   : Pages::kOther;
}

// The caller must go on while pages are moved.
bool IsOwnStack(uint64_t begin, uint64_t end) {
  const char here = 0;
  const auto at = reinterpret_cast<uint64_t>(&here);
  return at >= begin && at < end;
}

}  // namespace

CUresult HostAliases::Make(const MemoryRange& registered, Alias* made) {
  made->pages = registered.base / kPageBytes * kPageBytes;
  made->size_bytes = RoundUp(registered.end(), kPageBytes) - made->pages;
  const uint64_t end = made->pages + made->size_bytes;
  const Pages kind = KindOf(made->pages, end);
  if (kind == Pages::kOther || IsOwnStack(made->pages, end)) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  AddressWindow& window = space_->window();
  const auto base = window.Reserve(made->size_bytes, kPageBytes, 0);
  if (!base) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  Status status = Status::Ok();
  if (kind == Pages::kPrivate) {
    made->file = Fd(memfd_create("farlane-registered", MFD_CLOEXEC));
    const bool is_sized = made->file.get() >= 0 &&
                          ftruncate(made->file.get(), static_cast<off_t>(made->size_bytes)) == 0;
    status = is_sized ? MovePages(made->pages, made->size_bytes, made->file.get())
                      : Status::FromErrno(StatusCode::kExhausted, "no file for pages", errno);
  }
  status = status.ok() ? window.MapTwice(*base, made->size_bytes, made->pages) : status;
  if (!status.ok()) {
    LogWarn("soft-gpu: %s", status.message().c_str());
    window.Release(*base, made->size_bytes);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  FrameRights::Set(*base, made->size_bytes, kEveryRight);
  made->base = *base;
  MemoryRange range;
  range.base = *base + (registered.base - made->pages);
  range.size_bytes = registered.size_bytes;
  range.kind = MemoryKind::kAlias;
  range.context = registered.context;
  range.flags = registered.flags;
  FARLANE_CHECK(space_->table().Insert(std::move(range)));
  return CUDA_SUCCESS;
}

CUresult HostAliases::Find(const MemoryRange& registered, uint64_t address, uint64_t* alias) {
  return aliases_.With([&](Aliases& aliases) {
    auto found = aliases.find(registered.base);
    if (found == aliases.end()) {
      Alias made;
      const CUresult result = Make(registered, &made);
      if (result != CUDA_SUCCESS) {
        return result;
      }
      found = aliases.emplace(registered.base, std::move(made)).first;
    }
    *alias = found->second.base + (address - found->second.pages);
    return CUDA_SUCCESS;
  });
}

uint64_t HostAliases::HostAddress(uint64_t alias) const {
  return aliases_.With([alias](const Aliases& aliases) -> uint64_t {
    for (const auto& [base, one] : aliases) {
      if (alias >= one.base && alias - one.base < one.size_bytes) {
        return one.pages + (alias - one.base);
      }
    }
    return 0;
  });
}

void HostAliases::MoveBack(const Aliases& others, const Alias& alias) const {
  const uint64_t end = alias.pages + alias.size_bytes;

  struct stat status {};

  bool is_same = fstat(alias.file.get(), &status) == 0;
  uint64_t covered = 0;
  ForEachMapping(alias.pages, end, [&](const Mapping& mapping) {
    is_same = is_same && mapping.inode == status.st_ino && strcmp(mapping.rights, "rw-s") == 0;
    covered += std::min(end, mapping.end) - std::max(alias.pages, mapping.begin);
  });
  const bool is_used = std::any_of(others.begin(), others.end(), [&](const auto& one) {
    return one.second.pages < end && one.second.pages + one.second.size_bytes > alias.pages;
  });
  if (is_same && covered == alias.size_bytes && !is_used) {
    const Status moved = MovePages(alias.pages, alias.size_bytes, -1);
    if (!moved.ok()) {
      LogWarn("soft-gpu: %s", moved.message().c_str());
    }
  }
}

void HostAliases::Drop(uint64_t registered_base) {
  aliases_.With([&](Aliases& aliases) {
    const auto found = aliases.find(registered_base);
    if (found == aliases.end()) {
      return;
    }
    const Alias gone = std::move(found->second);
    aliases.erase(found);
    static_cast<void>(
        space_->table().Take(gone.base + (registered_base - gone.pages), {MemoryKind::kAlias}));
    space_->Unmap(gone.base, gone.size_bytes);
    space_->window().Release(gone.base, gone.size_bytes);
    if (gone.file.get() >= 0) {
      MoveBack(aliases, gone);
    }
  });
}

}  // namespace farlane::soft
