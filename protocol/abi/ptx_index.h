// SPDX-License-Identifier: Apache-2.0
// A cheap scan of PTX text for what a module offers: version and target, kernels with their
// parameters, module variables. Bodies are skipped, not understood; soft-gpu/ptx parses them.
#pragma once

#include <cstdint>

#include "protocol/abi/fatbin.h"
#include "protocol/abi/module_index.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::abi {

// The opening directives.
struct PtxHead {
  uint32_t version_major = 0;
  uint32_t version_minor = 0;
  uint32_t architecture = 0;
  ArchScope scope = ArchScope::kForward;
};

// Text ends at the first NUL or with the bytes.
Result<PtxHead> ReadPtxHead(ConstBytes text);
Result<ModuleIndex> IndexPtx(ConstBytes text);

}  // namespace farlane::abi
