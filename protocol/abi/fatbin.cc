// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/fatbin.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "protocol/abi/byte_view.h"
#include "protocol/abi/image.h"

namespace farlane::abi {
namespace {

constexpr uint32_t kEntryHeaderBytesMin = 64;  // names and options follow in a longer one
// An entry per architecture and object file; a dozen is usual. Choosing compares all with all.
constexpr size_t kEntriesMax = 4096;

constexpr uint64_t kFlagLz4 = 0x2000;
constexpr uint64_t kFlagZstd = 0x8000;
constexpr uint64_t kFlagExact = 0x100000;
constexpr uint64_t kFlagFamily = 0x200000;

struct FatbinHeader {
  uint32_t magic = kFatbinMagic;
  uint16_t version = 1;
  uint16_t header_bytes = kFatbinHeaderBytes;
  uint64_t entries_bytes = 0;
};

static_assert(sizeof(FatbinHeader) == kFatbinHeaderBytes);

// The first 64 bytes of an entry's header, as they lie in the file.
struct EntryHeader {
  uint16_t kind;
  uint16_t version;
  uint32_t header_bytes;
  uint64_t payload_bytes;  // with padding
  uint32_t compressed_bytes;
  uint32_t options_offset;
  uint16_t minor;
  uint16_t major;
  uint32_t architecture;
  uint32_t name_offset;
  uint32_t name_bytes;
  uint64_t flags;
  uint64_t key;
  uint64_t unpacked_bytes;
};

static_assert(sizeof(EntryHeader) == kEntryHeaderBytesMin);

Status Corrupt(const char* what, uint64_t offset) {
  return Status(StatusCode::kCorrupt,
                std::string(what) + " of the fatbin entry at byte " + std::to_string(offset));
}

Compression CompressionOf(const EntryHeader& header) {
  if (header.compressed_bytes == 0) {
    return Compression::kNone;
  }
  if ((header.flags & kFlagZstd) != 0) {
    return Compression::kZstd;
  }
  return (header.flags & kFlagLz4) != 0 ? Compression::kLz4 : Compression::kUnknown;
}

ArchScope ScopeOf(uint64_t flags) {
  if ((flags & kFlagExact) != 0) {
    return ArchScope::kExact;
  }
  return (flags & kFlagFamily) != 0 ? ArchScope::kFamily : ArchScope::kForward;
}

Result<FatbinEntry> ReadEntry(const ByteView& fatbin, uint64_t offset) {
  const std::optional<EntryHeader> header = fatbin.Read<EntryHeader>(offset);
  if (!header) {
    return Corrupt("there is no room for the header", offset);
  }
  if (header->header_bytes < kEntryHeaderBytesMin ||
      !fatbin.Contains(offset, header->header_bytes)) {
    return Corrupt("the header size is wrong", offset);
  }
  const uint64_t payload_offset = offset + header->header_bytes;
  const auto payload = fatbin.Range(payload_offset, header->payload_bytes);
  if (!payload || header->compressed_bytes > header->payload_bytes) {
    return Corrupt("the payload size is wrong", offset);
  }
  const Compression compression = CompressionOf(*header);
  const bool packed = compression != Compression::kNone;
  FatbinEntry entry = {
      .kind = static_cast<EntryKind>(header->kind),
      .architecture = header->architecture,
      .scope = ScopeOf(header->flags),
      .flags = header->flags,
      .name = {},
      .compression = compression,
      .unpacked_bytes = packed ? header->unpacked_bytes : header->payload_bytes,
      .whole = fatbin.bytes().subspan(offset, header->header_bytes + header->payload_bytes),
      .stored = packed ? payload->first(header->compressed_bytes) : *payload,
  };
  if (header->name_bytes != 0) {
    const auto name = ByteView(entry.whole.first(header->header_bytes))
                          .Range(header->name_offset, header->name_bytes);
    if (!name) {
      return Corrupt("the name lies outside the header", offset);
    }
    const auto* text = static_cast<const char*>(static_cast<const void*>(name->data()));
    entry.name = std::string_view(text, name->size());
    entry.name = entry.name.substr(0, entry.name.find('\0'));
  }
  return entry;
}

// PTX and link-time code of one scope and object file: only the latest can be chosen.
bool Beats(const FatbinEntry& later, const FatbinEntry& earlier) {
  return later.kind == earlier.kind && later.scope == earlier.scope && later.name == earlier.name &&
         later.architecture > earlier.architecture;
}

bool Keeps(std::span<const FatbinEntry> entries, const FatbinEntry& entry, int capability) {
  if (!UsableOn(entry, capability)) {
    return false;
  }
  if (entry.kind != EntryKind::kPtx && entry.kind != EntryKind::kLtoIr) {
    return true;
  }
  return std::none_of(entries.begin(), entries.end(), [&](const FatbinEntry& other) {
    return UsableOn(other, capability) && Beats(other, entry);
  });
}

}  // namespace

Result<uint64_t> FatbinExtent(ConstBytes start) {
  const auto header = ByteView(start).Read<FatbinHeader>(0);
  if (!header || header->magic != kFatbinMagic) {
    return Status(StatusCode::kCorrupt, "there is no fatbin header");
  }
  if (header->version != 1 || header->header_bytes != kFatbinHeaderBytes) {
    return Status(StatusCode::kUnsupported, "the fatbin header has version " +
                                                std::to_string(header->version) + " and " +
                                                std::to_string(header->header_bytes) + " bytes");
  }
  if (header->entries_bytes > kImageBytesMax - kFatbinHeaderBytes) {
    return Status(StatusCode::kCorrupt,
                  "the fatbin claims " + std::to_string(header->entries_bytes) + " bytes");
  }
  return kFatbinHeaderBytes + header->entries_bytes;
}

Result<std::vector<FatbinEntry>> ReadFatbin(ConstBytes fatbin) {
  FARLANE_ASSIGN(const uint64_t extent, FatbinExtent(fatbin));
  if (extent > fatbin.size()) {
    return Status(StatusCode::kCorrupt, "the fatbin is cut off");
  }
  const ByteView view(fatbin.first(extent));
  std::vector<FatbinEntry> entries;
  uint64_t offset = kFatbinHeaderBytes;
  while (offset < extent) {
    if (entries.size() == kEntriesMax) {
      return Status(StatusCode::kExhausted,
                    "the fatbin has more than " + std::to_string(kEntriesMax) + " entries");
    }
    FARLANE_ASSIGN(const FatbinEntry entry, ReadEntry(view, offset));
    entries.push_back(entry);
    offset += entry.whole.size();
  }
  return entries;
}

bool Permits(const CodeChoice& choice, EntryKind kind) {
  switch (kind) {
    case EntryKind::kPtx:
    case EntryKind::kLtoIr:
      return choice.compiling;
    case EntryKind::kElf:
      return choice.machine_code;
  }
  return true;
}

bool UsableOn(const FatbinEntry& entry, int capability) {
  const uint32_t device = static_cast<uint32_t>(capability);
  if (entry.scope == ArchScope::kExact) {
    return entry.architecture == device;
  }
  const bool same_major = entry.architecture / 10 == device / 10;
  switch (entry.kind) {
    case EntryKind::kPtx:
    case EntryKind::kLtoIr:
      return entry.architecture <= device && (same_major || entry.scope == ArchScope::kForward);
    case EntryKind::kElf:
      return entry.architecture <= device && same_major;
  }
  // Of a kind that we do not know, the driver may know.
  return entry.architecture <= device;
}

const FatbinEntry* ChooseForDevice(std::span<const FatbinEntry> entries,
                                   int capability,
                                   bool machine_code) {
  const FatbinEntry* chosen = nullptr;
  for (const FatbinEntry& entry : entries) {
    const bool elf = entry.kind == EntryKind::kElf;
    if ((elf && !machine_code) || (!elf && entry.kind != EntryKind::kPtx) ||
        !UsableOn(entry, capability)) {
      continue;
    }
    const bool chosen_elf = chosen != nullptr && chosen->kind == EntryKind::kElf;
    // Of two for one architecture the one with the narrower scope was made for it.
    const auto rank = [](const FatbinEntry& e) { return std::pair(e.architecture, e.scope); };
    if (chosen == nullptr || (elf && !chosen_elf) ||
        (elf == chosen_elf && rank(entry) > rank(*chosen))) {
      chosen = &entry;
    }
  }
  return chosen;
}

Result<std::vector<std::byte>> FilterForDevices(ConstBytes fatbin,
                                                std::span<const int> capabilities,
                                                const CodeChoice& choice) {
  FARLANE_ASSIGN(const std::vector<FatbinEntry> entries, ReadFatbin(fatbin));
  FatbinHeader header;
  std::vector<ConstBytes> kept;
  bool to_compile = false;
  for (const FatbinEntry& entry : entries) {
    const bool useful = std::any_of(capabilities.begin(), capabilities.end(), [&](int capability) {
      return Keeps(entries, entry, capability);
    });
    if (useful && Permits(choice, entry.kind)) {
      kept.push_back(entry.whole);
      header.entries_bytes += entry.whole.size();
    }
    to_compile = to_compile || (useful && !Permits(choice, entry.kind) && !choice.compiling &&
                                entry.kind != EntryKind::kElf);
  }
  if (kept.empty() && to_compile) {
    return Status(StatusCode::kRefused,
                  "there is only code to be compiled for this GPU, which CUDA_DISABLE_PTX_JIT or "
                  "CUDA_DISABLE_JIT forbids");
  }
  if (kept.empty()) {
    return Status(StatusCode::kNotFound, "none of the fatbin's " + std::to_string(entries.size()) +
                                             " entries is for this GPU");
  }
  std::vector<std::byte> filtered;
  filtered.reserve(kFatbinHeaderBytes + header.entries_bytes);
  const auto head = std::as_bytes(std::span(&header, 1));
  filtered.insert(filtered.end(), head.begin(), head.end());
  for (const ConstBytes entry : kept) {
    filtered.insert(filtered.end(), entry.begin(), entry.end());
  }
  return filtered;
}

}  // namespace farlane::abi
