// SPDX-License-Identifier: Apache-2.0
// DeviceText is what a worker's threads print, kept until the worker is done with a grid. It reads
// format strings and arguments from memory that the kernel names, so every byte is checked; it runs
// guarded and may be left in the middle by a fault, which costs the line under way and nothing
// else.
#pragma once

#include <cstdint>
#include <string>

#include "soft-gpu/jit/block_frame.h"

namespace farlane::soft {

// Thread: the worker that owns it.
class DeviceText {
 public:
  // vprintf: `arguments` points to the values, each at its natural alignment. Returns their number.
  uint64_t Print(const jit::BlockFrame& block, uint64_t format, uint64_t arguments);
  // Copies a string of the kernel's; cut if it is very long.
  void CopyString(const jit::BlockFrame& block, uint64_t address, std::string* to);

  std::string Take();

 private:
  uint64_t ReadValue(const jit::BlockFrame& block, uint64_t* position, uint32_t bytes);
  bool ReadForm(const jit::BlockFrame& block, uint64_t* position, bool* is_long);
  void PrintOne(const jit::BlockFrame& block, uint64_t* position);

  std::string format_;
  std::string one_;     // one conversion, as snprintf wants it
  std::string form_;    // the same with sizes and stars resolved
  std::string string_;  // the argument of %s
  std::string line_;
  std::string text_;
};

}  // namespace farlane::soft
