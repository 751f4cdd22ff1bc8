// SPDX-License-Identifier: Apache-2.0
// A cubin is an ELF file with machine code for one architecture. Read here: which architecture,
// which kernels with which parameters, which variables.
#pragma once

#include <cstdint>

#include "protocol/abi/elf_view.h"
#include "protocol/abi/module_index.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::abi {

// 90: compute capability 9.0.
uint32_t CubinArchitecture(const Elf64_Ehdr& header);

Result<ModuleIndex> IndexCubin(ConstBytes cubin);

}  // namespace farlane::abi
