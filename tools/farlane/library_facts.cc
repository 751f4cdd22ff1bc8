// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/library_facts.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include <elf.h>

#include "protocol/base/bytes.h"

namespace farlane::cli {
namespace {

constexpr size_t kFileBytesMax = 512_MiB;  // a libcuda of NVIDIA's has about 90

// The file's bytes; every read is checked, since nobody vouches for the file.
class ElfFile {
 public:
  explicit ElfFile(std::vector<char> bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  bool Read(uint64_t at, T* to) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) {
      return false;
    }
    memcpy(to, bytes_.data() + at, sizeof(T));
    return true;
  }

  // The string that starts there, up to its zero byte.
  std::string Text(uint64_t at) const {
    const auto from =
        bytes_.begin() + static_cast<ptrdiff_t>(std::min(at, uint64_t{bytes_.size()}));
    return {from, std::find(from, bytes_.end(), '\0')};
  }

 private:
  const std::vector<char> bytes_;
};

bool IsExported(const Elf64_Sym& symbol) {
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  return symbol.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol.st_info) == STT_FUNC &&
         (binding == STB_GLOBAL || binding == STB_WEAK);
}

size_t CountDriverCalls(const ElfFile& file, const Elf64_Shdr& table, const Elf64_Shdr& strings) {
  size_t count = 0;
  for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol{};
    if (!file.Read(table.sh_offset + at, &symbol)) {
      break;
    }
    const bool is_call =
        IsExported(symbol) && file.Text(strings.sh_offset + symbol.st_name).rfind("cu", 0) == 0;
    count += is_call ? 1 : 0;
  }
  return count;
}

void RaiseTo(const std::string& version, LibraryFacts* facts) {
  int major = 0;
  int minor = 0;
  if (sscanf(version.c_str(), "GLIBC_%d.%d", &major, &minor) == 2 &&
      std::pair(major, minor) > std::pair(facts->glibc_major, facts->glibc_minor)) {
    facts->glibc_major = major;
    facts->glibc_minor = minor;
  }
}

// A list of files, each with a list of versions; sh_info is the number of files.
void ReadNeededVersions(const ElfFile& file,
                        const Elf64_Shdr& table,
                        const Elf64_Shdr& strings,
                        LibraryFacts* facts) {
  uint64_t at = table.sh_offset;
  Elf64_Verneed need{};
  for (uint32_t i = 0; i < table.sh_info && file.Read(at, &need); ++i, at += need.vn_next) {
    uint64_t version_at = at + need.vn_aux;
    Elf64_Vernaux version{};
    for (uint16_t j = 0; j < need.vn_cnt && file.Read(version_at, &version); ++j) {
      RaiseTo(file.Text(strings.sh_offset + version.vna_name), facts);
      version_at += version.vna_next;
    }
  }
}

Result<ElfFile> ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) {
    return Status(StatusCode::kNotFound, "cannot read " + path);
  }
  const std::streamoff size = stream.tellg();
  if (size < 0 || static_cast<uint64_t>(size) > kFileBytesMax) {
    return Status(StatusCode::kCorrupt, path + " has no size that a library would have");
  }
  std::vector<char> bytes(static_cast<size_t>(size));
  stream.seekg(0);
  stream.read(bytes.data(), size);
  return ElfFile(std::move(bytes));
}

}  // namespace

Result<LibraryFacts> ReadLibraryFacts(const std::string& path) {
  FARLANE_ASSIGN(const ElfFile file, ReadFile(path));
  Elf64_Ehdr header{};
  if (!file.Read(0, &header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64) {
    return Status(StatusCode::kCorrupt, path + " is not a 64-bit shared library");
  }
  LibraryFacts facts;
  for (uint16_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section{};
    Elf64_Shdr strings{};
    const uint64_t at = header.e_shoff + uint64_t{i} * sizeof section;
    if (!file.Read(at, &section) ||
        !file.Read(header.e_shoff + uint64_t{section.sh_link} * sizeof section, &strings)) {
      continue;
    }
    if (section.sh_type == SHT_DYNSYM) {
      facts.driver_calls_count = CountDriverCalls(file, section, strings);
    } else if (section.sh_type == SHT_GNU_verneed) {
      ReadNeededVersions(file, section, strings, &facts);
    }
  }
  return facts;
}

}  // namespace farlane::cli
