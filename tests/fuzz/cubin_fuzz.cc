// SPDX-License-Identifier: Apache-2.0
// Cubins of a peer: whatever is accepted has parameters inside their block.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "protocol/abi/cubin.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto index = farlane::abi::IndexCubin(std::as_bytes(std::span(data, size)));
  if (!index.ok()) {
    return 0;
  }
  for (const auto& kernel : index->kernels) {
    for (const auto& parameter : kernel.parameters) {
      if (uint64_t{parameter.offset} + parameter.bytes > kernel.parameter_bytes) {
        abort();
      }
    }
  }
  return 0;
}
