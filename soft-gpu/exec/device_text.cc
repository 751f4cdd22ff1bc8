// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/device_text.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "protocol/base/bytes.h"
#include "soft-gpu/exec/fault_guard.h"

namespace farlane::soft {
namespace {

constexpr size_t kStringBytesMax = 16_KiB;
constexpr size_t kTextBytesMax = 1_MiB;  // as the printf FIFO of a device; what is more is lost
constexpr int kFieldMax = 1000;          // a width or precision above it is cut

// The bytes of a kernel's address; ends the thread if it is not the kernel's to read.
const char* Checked(const jit::BlockFrame& block, uint64_t address, uint64_t bytes) {
  const auto reaches = [&](uint64_t base, uint64_t size) {
    return size >= bytes && address - base <= size - bytes;
  };
  if (!reaches(block.window_base, block.window_bytes) &&
      !reaches(block.arena_base, block.arena_bytes)) {
    LeaveGuarded(Fault::kIllegalAddress, address);
  }
  // SAFE: inside one of the two ranges that kernels may read; a hole there faults like their own.
  return reinterpret_cast<const char*>(address);
}

}  // namespace

void DeviceText::CopyString(const jit::BlockFrame& block, uint64_t address, std::string* to) {
  to->clear();
  while (to->size() < kStringBytesMax) {
    const char next = *Checked(block, address + to->size(), 1);
    if (next == 0) {
      return;
    }
    to->push_back(next);
  }
}

uint64_t DeviceText::ReadValue(const jit::BlockFrame& block, uint64_t* position, uint32_t bytes) {
  *position = RoundUp(*position, bytes);
  uint64_t value = 0;
  std::memcpy(&value, Checked(block, *position, bytes), bytes);
  *position += bytes;
  return value;
}

uint64_t DeviceText::Print(const jit::BlockFrame& block, uint64_t format, uint64_t arguments) {
  CopyString(block, format, &format_);
  line_.clear();
  uint64_t count = 0;
  uint64_t position = arguments;
  for (size_t i = 0; i < format_.size();) {
    if (format_[i] != '%') {
      line_.push_back(format_[i++]);
      continue;
    }
    const size_t end = format_.find_first_of("diouxXeEfFgGaAcsp%", i + 1);
    if (end == std::string::npos) {
      line_.append(format_, i);
      break;
    }
    one_.assign(format_, i, end + 1 - i);
    i = end + 1;
    if (one_.back() == '%') {
      line_.push_back('%');
    } else {
      PrintOne(block, &position);
      ++count;
    }
  }
  if (text_.size() + line_.size() <= kTextBytesMax) {
    text_ += line_;
  }
  return count;
}

// The conversion in one_ without its length words (a value has 4 or 8 bytes, whatever they say) and
// with the stars filled in; kept in form_. False if nobody would write such a conversion.
bool DeviceText::ReadForm(const jit::BlockFrame& block, uint64_t* position, bool* is_long) {
  *is_long = false;
  form_ = "%";
  for (const char c : std::string_view(one_).substr(1, one_.size() - 2)) {
    if (std::strchr("hljztL", c) != nullptr) {
      *is_long |= c != 'h';
    } else if (c == '*') {
      const int value = static_cast<int>(ReadValue(block, position, 4));
      form_ += std::to_string(std::clamp(value, -kFieldMax, kFieldMax));
    } else if (std::strchr("-+ #0123456789.", c) != nullptr) {
      form_.push_back(c);
    } else {
      return false;
    }
  }
  // Five digits in a row would be a field of 10000 and more.
  return form_.size() < 16;
}

void DeviceText::PrintOne(const jit::BlockFrame& block, uint64_t* position) {
  const char conversion = one_.back();
  bool is_long = false;
  if (!ReadForm(block, position, &is_long)) {
    line_ += one_;
    return;
  }
  char out[2048];
  if (conversion == 's') {
    CopyString(block, ReadValue(block, position, 8), &string_);
    form_ += 's';
    std::snprintf(out, sizeof(out), form_.c_str(), string_.c_str());
  } else if (std::strchr("eEfFgGaA", conversion) != nullptr) {
    form_ += conversion;
    const auto value = std::bit_cast<double>(ReadValue(block, position, 8));
    std::snprintf(out, sizeof(out), form_.c_str(), value);
  } else if (is_long || conversion == 'p') {
    form_ += conversion == 'p' ? "#llx" : std::string("ll") + conversion;
    std::snprintf(out, sizeof(out), form_.c_str(),
                  static_cast<unsigned long long>(ReadValue(block, position, 8)));
  } else {
    form_ += conversion;
    std::snprintf(out, sizeof(out), form_.c_str(),
                  static_cast<uint32_t>(ReadValue(block, position, 4)));
  }
  line_ += out;
}

std::string DeviceText::Take() {
  return std::exchange(text_, {});
}

}  // namespace farlane::soft
