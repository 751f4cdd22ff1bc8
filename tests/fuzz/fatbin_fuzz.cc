// SPDX-License-Identifier: Apache-2.0
// Fatbins and module packages of a peer: whatever is accepted lies inside the bytes, and filtering
// it gives a fatbin again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "protocol/abi/fatbin.h"
#include "protocol/abi/module_index.h"
#include "protocol/abi/module_package.h"

namespace farlane::abi {
namespace {

void Require(bool holds) {
  if (!holds) {
    abort();
  }
}

void TryFatbin(ConstBytes bytes) {
  const auto entries = ReadFatbin(bytes);
  if (!entries.ok()) {
    return;
  }
  for (const FatbinEntry& entry : entries.value()) {
    Require(entry.whole.data() >= bytes.data() &&
            entry.whole.data() + entry.whole.size() <= bytes.data() + bytes.size());
    if (entry.unpacked_bytes < 16_MiB) {
      static_cast<void>(Unpack(entry).ok());
    }
  }
  const int devices[] = {80, 90, 121};
  const auto filtered = FilterForDevices(bytes, devices);
  if (filtered.ok()) {
    Require(ReadFatbin(filtered.value()).ok());
    Require(FilterForDevices(filtered.value(), devices).value() == filtered.value());
  }
}

void TryPackage(ConstBytes bytes) {
  const auto package = ModulePackage::Open({bytes.begin(), bytes.end()});
  if (package.ok()) {
    Require(ViewImage(package->image()).ok());
  }
}

}  // namespace
}  // namespace farlane::abi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  farlane::abi::TryFatbin(bytes);
  farlane::abi::TryPackage(bytes);
  return 0;
}
