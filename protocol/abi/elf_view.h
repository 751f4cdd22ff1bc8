// SPDX-License-Identifier: Apache-2.0
// ElfView opens the sections and symbols of a 64-bit ELF file that holds device code.
// Open proves that all tables and sections lie inside the bytes; what it hands out is borrowed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <elf.h>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::abi {

inline constexpr uint64_t kElfHeaderBytes = sizeof(Elf64_Ehdr);

struct ElfSection {
  std::string_view name;
  Elf64_Shdr header;
  ConstBytes bytes;  // empty for a section without bytes in the file
};

struct ElfSymbol {
  std::string_view name;
  Elf64_Sym symbol;
  uint32_t section;  // index into sections(); 0 where there is none
};

// Thread: immutable.
class ElfView {
 public:
  // The file may end before the bytes do.
  static Result<ElfView> Open(ConstBytes bytes);

  // For a file of which only a pointer is known, three steps lead to its size, each over bytes that
  // the step before proved to belong to it: header → first section header → all tables → file.
  static Result<uint64_t> SectionCountExtent(ConstBytes bytes);
  static Result<uint64_t> TablesExtent(ConstBytes start);
  static Result<uint64_t> FileExtent(ConstBytes tables);

  const Elf64_Ehdr& header() const { return header_; }

  const std::vector<ElfSection>& sections() const { return sections_; }

  const std::vector<ElfSymbol>& symbols() const { return symbols_; }

  uint64_t extent() const { return extent_; }

 private:
  ElfView() = default;

  Status ReadSections(ConstBytes bytes);
  Status ReadSymbols();

  Elf64_Ehdr header_{};
  std::vector<ElfSection> sections_;
  std::vector<ElfSymbol> symbols_;
  uint64_t extent_ = 0;
};

}  // namespace farlane::abi
