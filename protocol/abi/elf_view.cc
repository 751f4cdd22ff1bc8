// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/elf_view.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "protocol/abi/byte_view.h"
#include "protocol/abi/image.h"

namespace farlane::abi {
namespace {

constexpr uint16_t kMachineCuda = 190;

Status Corrupt(const std::string& what) {
  return Status(StatusCode::kCorrupt, "cubin: " + what);
}

// offset + count · size, if the file can be that long.
std::optional<uint64_t> End(uint64_t offset, uint64_t count, uint64_t size) {
  if (offset > kImageBytesMax || count > kImageBytesMax ||
      (size != 0 && count > (kImageBytesMax - offset) / size)) {
    return std::nullopt;
  }
  return offset + count * size;
}

Result<Elf64_Ehdr> ReadHeader(ConstBytes bytes) {
  const auto header = ByteView(bytes).Read<Elf64_Ehdr>(0);
  if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return Corrupt("there is no ELF header");
  }
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != kMachineCuda) {
    return Corrupt("the ELF file holds no 64-bit device code");
  }
  if (header->e_ehsize != sizeof(Elf64_Ehdr) ||
      (header->e_shoff != 0 && header->e_shentsize != sizeof(Elf64_Shdr)) ||
      (header->e_phnum != 0 && header->e_phentsize != sizeof(Elf64_Phdr))) {
    return Corrupt("the ELF header gives unusual entry sizes");
  }
  return *header;
}

struct SectionTable {
  uint64_t count;
  uint64_t names;  // index of the section with the names
};

// Files with very many sections keep the numbers in the first section header.
Result<SectionTable> ReadSectionTable(ConstBytes bytes, const Elf64_Ehdr& header) {
  if (header.e_shoff == 0) {
    return SectionTable{0, 0};
  }
  SectionTable table = {header.e_shnum, header.e_shstrndx};
  if (table.count != 0 && table.names != SHN_XINDEX) {
    return table;
  }
  const auto first = ByteView(bytes).Read<Elf64_Shdr>(header.e_shoff);
  if (!first) {
    return Corrupt("the section table is cut off");
  }
  table.count = table.count != 0 ? table.count : first->sh_size;
  table.names = table.names != SHN_XINDEX ? table.names : first->sh_link;
  return table;
}

bool HasFileBytes(const Elf64_Shdr& header) {
  return header.sh_type != SHT_NOBITS && header.sh_type != SHT_NULL;
}

}  // namespace

Result<uint64_t> ElfView::SectionCountExtent(ConstBytes bytes) {
  FARLANE_ASSIGN(const Elf64_Ehdr header, ReadHeader(bytes));
  if (header.e_shoff == 0) {
    return kElfHeaderBytes;
  }
  const auto end = End(header.e_shoff, 1, sizeof(Elf64_Shdr));
  if (!end) {
    return Corrupt("the section table is too far away");
  }
  return std::max(*end, kElfHeaderBytes);
}

Result<uint64_t> ElfView::TablesExtent(ConstBytes start) {
  FARLANE_ASSIGN(const Elf64_Ehdr header, ReadHeader(start));
  FARLANE_ASSIGN(const SectionTable table, ReadSectionTable(start, header));
  const auto sections_end = End(header.e_shoff, table.count, sizeof(Elf64_Shdr));
  const auto segments_end = End(header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr));
  if (!sections_end || !segments_end) {
    return Corrupt("the tables are too long");
  }
  uint64_t end = std::max(*sections_end, kElfHeaderBytes);
  if (header.e_phnum != 0) {
    end = std::max(end, *segments_end);
  }
  return end;
}

Result<uint64_t> ElfView::FileExtent(ConstBytes tables) {
  FARLANE_ASSIGN(uint64_t extent, TablesExtent(tables));
  FARLANE_ASSIGN(const Elf64_Ehdr header, ReadHeader(tables));
  FARLANE_ASSIGN(const SectionTable table, ReadSectionTable(tables, header));
  if (extent > tables.size()) {
    return Corrupt("the tables are cut off");
  }
  const ByteView view(tables);
  for (uint64_t i = 0; i < table.count; ++i) {
    const auto section = view.Read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
    if (!section || !HasFileBytes(*section)) {
      continue;
    }
    const auto end = End(section->sh_offset, section->sh_size, 1);
    if (!end) {
      return Corrupt("section " + std::to_string(i) + " is too long");
    }
    extent = std::max(extent, *end);
  }
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = view.Read<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    const auto end = segment ? End(segment->p_offset, segment->p_filesz, 1) : std::nullopt;
    if (!end) {
      return Corrupt("segment " + std::to_string(i) + " is too long");
    }
    extent = std::max(extent, *end);
  }
  return extent;
}

Result<ElfView> ElfView::Open(ConstBytes bytes) {
  ElfView elf;
  FARLANE_ASSIGN(elf.header_, ReadHeader(bytes));
  FARLANE_ASSIGN(elf.extent_, FileExtent(bytes));
  if (elf.extent_ > bytes.size()) {
    return Corrupt("the file is cut off");
  }
  FARLANE_TRY(elf.ReadSections(bytes.first(elf.extent_)));
  FARLANE_TRY(elf.ReadSymbols());
  return elf;
}

Status ElfView::ReadSections(ConstBytes bytes) {
  FARLANE_ASSIGN(const SectionTable table, ReadSectionTable(bytes, header_));
  const ByteView view(bytes);
  for (uint64_t i = 0; i < table.count; ++i) {
    const auto header = view.Read<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr));
    if (!header) {
      return Corrupt("the section table is cut off");
    }
    ElfSection section = {{}, *header, {}};
    if (HasFileBytes(*header)) {
      const auto range = view.Range(header->sh_offset, header->sh_size);
      if (!range) {
        return Corrupt("section " + std::to_string(i) + " lies outside the file");
      }
      section.bytes = *range;
    }
    sections_.push_back(section);
  }
  if (sections_.empty()) {
    return Status::Ok();
  }
  if (table.names >= sections_.size()) {
    return Corrupt("the section names are missing");
  }
  const ByteView names(sections_[table.names].bytes);
  for (ElfSection& section : sections_) {
    const auto name = names.Text(section.header.sh_name);
    if (!name) {
      return Corrupt("a section name is cut off");
    }
    section.name = *name;
  }
  return Status::Ok();
}

Status ElfView::ReadSymbols() {
  const auto found = [&](uint32_t type) {
    return std::find_if(sections_.begin(), sections_.end(),
                        [&](const ElfSection& s) { return s.header.sh_type == type; });
  };
  const auto table = found(SHT_SYMTAB);
  if (table == sections_.end()) {
    return Status::Ok();
  }
  if (table->header.sh_link >= sections_.size()) {
    return Corrupt("the symbol names are missing");
  }
  const ByteView names(sections_[table->header.sh_link].bytes);
  const ByteView symbols(table->bytes);
  const auto wide_indices = found(SHT_SYMTAB_SHNDX);
  for (uint64_t i = 0; i < symbols.size() / sizeof(Elf64_Sym); ++i) {
    const auto symbol = symbols.Read<Elf64_Sym>(i * sizeof(Elf64_Sym));
    const auto name = symbol ? names.Text(symbol->st_name) : std::nullopt;
    if (!name) {
      return Corrupt("the name of symbol " + std::to_string(i) + " is cut off");
    }
    uint32_t section = symbol->st_shndx;
    if (section == SHN_XINDEX && wide_indices != sections_.end()) {
      section = ByteView(wide_indices->bytes).Read<uint32_t>(i * sizeof(uint32_t)).value_or(0);
    }
    // Reserved indices (absolute, common) name no section; so does one past the end.
    symbols_.push_back({*name, *symbol, section < sections_.size() ? section : 0});
  }
  return Status::Ok();
}

}  // namespace farlane::abi
