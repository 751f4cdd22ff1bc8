// SPDX-License-Identifier: Apache-2.0
// VariantKernel is the text of a PTX kernel that runs several variants on arrays of inputs: one
// thread per case reads its inputs, executes every variant on them and stores all results.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {

// A variant with the row that says what it gives.
// Thread: caller's.
struct Subject {
  Variant variant;
  const Row* row = nullptr;

  // The types of its inputs, e.g. "f32 f32 pred ": variants with the same share a kernel.
  std::string inputs() const;
  // How many 8-byte places its results take.
  unsigned places() const;
};

// The bytes of one case's inputs and of one place of its results.
constexpr unsigned kPlaceBytes = 8;
constexpr unsigned kCaseBytes = kInputsMax * kPlaceBytes;

// The head of a module.
std::string ModuleHead();

// One entry named `name` with parameters (u64 in, u64 out), launched with a thread per case.
std::string KernelText(const std::string& name, std::span<const Subject> subjects);

// Only the instructions of one subject.
std::string InstructionText(const Subject& subject);

}  // namespace farlane::soft::isa
