// SPDX-License-Identifier: Apache-2.0
// The private function tables that NVIDIA's closed libraries ask a libcuda for (cuGetExportTable).
// A table stays at one address for the life of the process, because that address is part of the
// integrity check. What we do not know is refused: a library that gets a table full of guesses goes
// further wrong than one that gets none.
#pragma once

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

// INVALID_VALUE and a null table for every id but the nine that we serve.
CUresult GetExportTable(const void** table, const CUuuid* id);

}  // namespace farlane::abi
