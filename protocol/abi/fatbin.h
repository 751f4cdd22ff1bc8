// SPDX-License-Identifier: Apache-2.0
// A fatbin is a container of device code for several architectures: a header, then entries, each a
// cubin, a PTX text or code for link time, often compressed.
// Entries only borrow the bytes they were read from.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::abi {

inline constexpr uint32_t kWrapperMagic = 0x466243b1;
inline constexpr uint32_t kFatbinMagic = 0xba55ed50;
inline constexpr uint64_t kFatbinHeaderBytes = 16;
// What one entry may unpack to, whatever it says of itself.
inline constexpr uint64_t kUnpackedBytesMax = 1_GiB;

// What __cudaRegisterFatBinary gets; it stands in the program's memory.
struct FatbinWrapper {
  uint32_t magic = kWrapperMagic;
  uint32_t version = 1;
  const void* fatbin = nullptr;
  // Version 2 only: fatbins of relocatable code, a null pointer after the last.
  const void* const* relocatables = nullptr;
};

enum class EntryKind : uint16_t { kPtx = 1, kElf = 2, kLtoIr = 8 };  // others exist

// Which GPUs code for one architecture runs on.
enum class ArchScope : uint8_t {
  kForward,  // cubin: same major, same or later minor; PTX: every later one
  kFamily,   // "sm_100f": same major, same or later minor
  kExact,    // "sm_90a": this one only
};

enum class Compression : uint8_t { kNone, kLz4, kZstd, kUnknown };

// Thread: immutable.
struct FatbinEntry {
  EntryKind kind;
  uint32_t architecture;  // 90: compute capability 9.0
  ArchScope scope;
  uint64_t flags;
  std::string_view name;  // of the object file; mostly empty
  Compression compression;
  uint64_t unpacked_bytes;
  ConstBytes whole;   // header and padded payload
  ConstBytes stored;  // what there is to unpack; with padding where nothing is compressed
};

// How long the fatbin is by its header, which the bytes must hold. It may be longer than the bytes.
Result<uint64_t> FatbinExtent(ConstBytes start);
// All entries, if every one lies inside its fatbin. Bytes after its end do not matter.
Result<std::vector<FatbinEntry>> ReadFatbin(ConstBytes fatbin);
// The entry's cubin or PTX as the compiler wrote it.
Result<std::vector<std::byte>> Unpack(const FatbinEntry& entry);

// Which code may be used at all.
struct CodeChoice {
  bool machine_code = true;  // else only what is compiled for the GPU
  bool compiling = true;     // else only what is for the GPU already
};

bool Permits(const CodeChoice& choice, EntryKind kind);
// Whether a GPU of this compute capability (121: 12.1) can use the entry by loading, compiling or
// linking it.
bool UsableOn(const FatbinEntry& entry, int capability);
// What a driver takes: the latest usable cubin (only if `machine_code`), else the latest usable
// PTX. Null if there is neither.
const FatbinEntry* ChooseForDevice(std::span<const FatbinEntry> entries,
                                   int capability,
                                   bool machine_code);

// Rebuilds the fatbin with the entries that one of these GPUs could use, in their order and
// unchanged. PTX and link-time code that a later version of itself always beats are left out. The
// same input gives the same bytes, so that they can be named by a hash. No entry left: kNotFound;
// only because compiling is not allowed: kRefused.
Result<std::vector<std::byte>> FilterForDevices(ConstBytes fatbin,
                                                std::span<const int> capabilities,
                                                const CodeChoice& choice = {});

}  // namespace farlane::abi
