// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/cubin_values.h"

#include "protocol/abi/elf_view.h"

namespace farlane::soft {
namespace {

bool HoldsValues(const abi::ElfSection& section) {
  return section.name == ".nv.global.init" || section.name == ".nv.constant3";
}

}  // namespace

Result<InitialValues> ReadCubinValues(ConstBytes cubin) {
  FARLANE_ASSIGN(const abi::ElfView elf, abi::ElfView::Open(cubin));
  InitialValues values;
  for (const abi::ElfSymbol& symbol : elf.symbols()) {
    const abi::ElfSection& section = elf.sections()[symbol.section];
    if (symbol.section == 0 || ELF64_ST_TYPE(symbol.symbol.st_info) != STT_OBJECT ||
        !HoldsValues(section)) {
      continue;
    }
    const uint64_t offset = symbol.symbol.st_value - section.header.sh_addr;
    const uint64_t size = symbol.symbol.st_size;
    if (offset > section.bytes.size() || size > section.bytes.size() - offset) {
      return Status(StatusCode::kCorrupt,
                    "variable " + std::string(symbol.name) + " lies outside its section");
    }
    const ConstBytes bytes = section.bytes.subspan(offset, size);
    values[std::string(symbol.name)].assign(bytes.begin(), bytes.end());
  }
  return values;
}

}  // namespace farlane::soft
