// SPDX-License-Identifier: Apache-2.0
// Fatbins and module packages of a peer: whatever is accepted lies inside the bytes, and filtering
// it gives a fatbin again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "protocol/abi/fatbin.h"
#include "protocol/abi/image.h"
#include "protocol/abi/module_index.h"
#include "protocol/abi/module_package.h"

namespace farlane::abi {
namespace {

void Require(bool holds) {
  if (!holds) {
    abort();
  }
}

constexpr int kDevices[] = {80, 90, 121};

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
  for (const bool machine_code : {false, true}) {
    const FatbinEntry* const chosen = ChooseForDevice(entries.value(), 90, machine_code);
    Require(chosen == nullptr || UsableOn(*chosen, 90));
  }
  const auto filtered = FilterForDevices(bytes, kDevices);
  if (filtered.ok()) {
    Require(ReadFatbin(filtered.value()).ok());
    Require(FilterForDevices(filtered.value(), kDevices).value() == filtered.value());
  }
}

void TryPackage(ConstBytes bytes) {
  const auto package = ModulePackage::Open({bytes.begin(), bytes.end()});
  if (package.ok()) {
    Require(ViewImage(package->image()).ok());
  }
}

// What a client makes of an image, a server can open.
void TryPacking(ConstBytes bytes) {
  const auto image = ViewImage(bytes);
  if (!image.ok()) {
    return;
  }
  const auto package = PackModule(image.value(), kDevices);
  if (package.ok()) {
    Require(ModulePackage::Open(package.value()).ok());
  }
}

}  // namespace
}  // namespace farlane::abi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  farlane::abi::TryFatbin(bytes);
  farlane::abi::TryPackage(bytes);
  farlane::abi::TryPacking(bytes);
  return 0;
}
