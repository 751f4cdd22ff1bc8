// SPDX-License-Identifier: Apache-2.0
// CubinBuilder makes cubins for tests: ELF files with kernels, parameter tables and variables, but
// without machine code.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <elf.h>

#include "protocol/base/bytes.h"

namespace farlane::support {

struct CubinParameter {
  uint16_t offset;
  uint16_t bytes;
};

// Thread: caller's.
class CubinBuilder {
 public:
  // `wide`: the newer place of the architecture in the header.
  explicit CubinBuilder(uint32_t architecture, bool wide = true) {
    memcpy(header_.e_ident, ELFMAG, SELFMAG);
    header_.e_ident[EI_CLASS] = ELFCLASS64;
    header_.e_ident[EI_DATA] = ELFDATA2LSB;
    header_.e_ident[EI_VERSION] = EV_CURRENT;
    header_.e_ident[EI_OSABI] = wide ? 65 : 51;
    header_.e_ident[EI_ABIVERSION] = wide ? 8 : 7;
    header_.e_type = ET_EXEC;
    header_.e_machine = 190;
    header_.e_flags = wide ? architecture << 8 : architecture;
    header_.e_ehsize = sizeof(Elf64_Ehdr);
    header_.e_shentsize = sizeof(Elf64_Shdr);
    header_.e_phentsize = sizeof(Elf64_Phdr);
    Section("", SHT_NULL, {});
    symbols_.push_back({});
  }

  // `large`: parameters in the records that kernels with more than 4 KB of them use.
  CubinBuilder& AddKernel(const std::string& name,
                          const std::vector<CubinParameter>& parameters,
                          uint16_t parameter_bytes,
                          bool large = false) {
    std::vector<std::byte> info;
    Append<uint32_t>(&info, 0x00000302 | 0x5a00);  // a record that nobody reads, value inline
    Record(&info, 3, 0x19, parameter_bytes);
    for (size_t i = parameters.size(); i-- > 0;) {
      Record(&info, 4, large ? 0x45 : 0x17, 12);
      Append<uint32_t>(&info, 0);
      Append<uint16_t>(&info, static_cast<uint16_t>(i));
      Append<uint16_t>(&info, parameters[i].offset);
      if (large) {
        Append<uint16_t>(&info, parameters[i].bytes);
        Append<uint16_t>(&info, 0);
      } else {
        Append<uint32_t>(&info, (uint32_t{parameters[i].bytes} << 18) | 0x1f00);
      }
    }
    const uint16_t code = Section(".text." + name, SHT_PROGBITS, std::vector<std::byte>(16));
    Section(".nv.info." + name, SHT_LOPROC, info);
    Symbol(name, STB_GLOBAL, STT_FUNC, 0x10, code, 16);
    return *this;
  }

  CubinBuilder& AddVariable(const std::string& name,
                            const std::string& section,
                            uint64_t bytes,
                            bool managed = false) {
    const uint16_t index = section == ".nv.global"
                               ? Section(section, SHT_NOBITS, {}, bytes)
                               : Section(section, SHT_PROGBITS, std::vector<std::byte>(bytes));
    Symbol(name, STB_GLOBAL, STT_OBJECT, managed ? 4 : 0, index, bytes);
    return *this;
  }

  CubinBuilder& AddValue(const std::string& name,
                         const std::string& section,
                         const std::vector<std::byte>& value) {
    const uint16_t index = Section(section, SHT_PROGBITS, value);
    Symbol(name, STB_GLOBAL, STT_OBJECT, 0, index, value.size());
    return *this;
  }

  // Section headers lie between the header and the sections, so that a cut anywhere is a real cut.
  std::vector<std::byte> Build() {
    const uint16_t names = static_cast<uint16_t>(sections_.size() + 2);
    std::vector<std::byte> symbols;
    for (const Elf64_Sym& symbol : symbols_) {
      Append(&symbols, symbol);
    }
    Section(".symtab", SHT_SYMTAB, symbols);
    sections_.back().header.sh_link = names - 1;
    Section(".strtab", SHT_STRTAB, strings_);
    Section(".shstrtab", SHT_STRTAB, {});
    sections_.back().bytes = section_names_;
    sections_.back().header.sh_size = section_names_.size();

    header_.e_shoff = sizeof(Elf64_Ehdr);
    header_.e_shnum = static_cast<uint16_t>(sections_.size());
    header_.e_shstrndx = names;
    uint64_t offset = header_.e_shoff + sections_.size() * sizeof(Elf64_Shdr);
    for (Piece& section : sections_) {
      section.header.sh_offset = offset;
      offset += section.bytes.size();
    }
    std::vector<std::byte> file;
    Append(&file, header_);
    for (const Piece& section : sections_) {
      Append(&file, section.header);
    }
    for (const Piece& section : sections_) {
      file.insert(file.end(), section.bytes.begin(), section.bytes.end());
    }
    return file;
  }

 private:
  struct Piece {
    Elf64_Shdr header;
    std::vector<std::byte> bytes;
  };

  template <typename T>
  static void Append(std::vector<std::byte>* to, const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    to->insert(to->end(), bytes.begin(), bytes.end());
  }

  static void Record(std::vector<std::byte>* info, uint8_t format, uint8_t id, uint16_t value) {
    Append<uint8_t>(info, format);
    Append<uint8_t>(info, id);
    Append<uint16_t>(info, value);
  }

  static uint32_t Name(std::vector<std::byte>* names, const std::string& name) {
    const auto offset = static_cast<uint32_t>(names->size());
    const auto bytes = std::as_bytes(std::span(name.c_str(), name.size() + 1));
    names->insert(names->end(), bytes.begin(), bytes.end());
    return offset;
  }

  uint16_t Section(const std::string& name,
                   uint32_t type,
                   const std::vector<std::byte>& bytes,
                   uint64_t memory_bytes = 0) {
    Piece piece = {{}, bytes};
    piece.header.sh_name = Name(&section_names_, name);
    piece.header.sh_type = type;
    piece.header.sh_size = type == SHT_NOBITS ? memory_bytes : bytes.size();
    sections_.push_back(piece);
    return static_cast<uint16_t>(sections_.size() - 1);
  }

  void Symbol(const std::string& name,
              uint8_t binding,
              uint8_t type,
              uint8_t other,
              uint16_t section,
              uint64_t bytes) {
    Elf64_Sym symbol = {};
    symbol.st_name = Name(&strings_, name);
    symbol.st_info = static_cast<uint8_t>(ELF64_ST_INFO(binding, type));
    symbol.st_other = other;
    symbol.st_shndx = section;
    symbol.st_size = bytes;
    symbols_.push_back(symbol);
  }

  Elf64_Ehdr header_{};
  std::vector<Piece> sections_;
  std::vector<Elf64_Sym> symbols_;
  std::vector<std::byte> section_names_;
  std::vector<std::byte> strings_{std::byte{0}};
};

}  // namespace farlane::support
