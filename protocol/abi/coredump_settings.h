// SPDX-License-Identifier: Apache-2.0
// CoredumpSettings are what a program has said about files to be written when a kernel fails. They
// are kept and told, and no such file is ever written: so whoever wants one is refused, and does
// not wait for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::abi {

// Thread: any, guarded.
class CoredumpSettings {
 public:
  static constexpr size_t kTextBytes = 1024;  // with the zero at its end

  // Of one context: what it does not say for itself is as the program says.
  CoredumpSettings() : CoredumpSettings(&OfProgram()) {}

  static CoredumpSettings& OfProgram();

  // `size` is that of the memory behind `value`; for null it is told how much is wanted.
  CUresult Tell(CUcoredumpSettings id, void* value, size_t* size) const;
  CUresult Set(CUcoredumpSettings id, const void* value, size_t* size);

 private:
  struct Values {
    std::optional<uint32_t> flags;  // CUCoredumpGenerationFlags; two older settings are parts of it
    std::optional<std::string> file;
    std::optional<std::string> pipe;
  };

  explicit CoredumpSettings(const CoredumpSettings* program_or_null) : program_(program_or_null) {}

  uint32_t flags() const;
  std::string TextOf(CUcoredumpSettings id) const;
  CUresult SetSwitch(CUcoredumpSettings id, bool on);

  const CoredumpSettings* const program_;
  Guarded<Values> values_;
};

}  // namespace farlane::abi
