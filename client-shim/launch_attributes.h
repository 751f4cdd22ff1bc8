// SPDX-License-Identifier: Apache-2.0
// LaunchAttributes are the settings of one launch (CUlaunchAttribute) that may travel: plain
// values. One that names an object of the program would mean nothing on the server, so it is
// refused here.
#pragma once

#include <array>
#include <cstddef>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"

namespace farlane::shim {

// Thread: the one that made it.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): what is not kept is not looked at
class LaunchAttributes {
 public:
  // CUDA_SUCCESS; CUDA_ERROR_INVALID_VALUE for a config that is none; CUDA_ERROR_NOT_SUPPORTED,
  // said once, for an attribute that cannot travel.
  CUresult Read(const CUlaunchConfig* config);

  // Said apart from the rest, for cooperative launches come in two forms.
  bool cooperative() const { return cooperative_; }

  // The records of all others, in the driver's layout.
  ConstBytes records() const { return std::as_bytes(std::span(kept_.data(), count_)); }

 private:
  CUresult Keep(const CUlaunchAttribute& attribute);

  // There are far fewer kinds.
  std::array<CUlaunchAttribute, 64> kept_;
  size_t count_ = 0;
  bool cooperative_ = false;
};

}  // namespace farlane::shim
