// SPDX-License-Identifier: Apache-2.0
// What every program here does around its kernels: it takes a seed, compares what the device gave
// with what the CPU computes, and says so in two lines, "checksum <hex>" and "PASS" or "FAIL".
// The checksum covers the device's bytes only, so that equal checksums mean equal devices.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace apps {

// Built with this switch every program has one wrong kernel, and must notice.
#ifdef FARLANE_MUTATE
constexpr bool kMutate = true;
#else
constexpr bool kMutate = false;
#endif

// Thread: the main thread only.
class Verdict {
 public:
  // Arguments: [--seed N] [--gentle], and COUNT for a program that has a default for it.
  Verdict(const char* program, int argc, char** argv, uint64_t default_count = 0)
      : count_(default_count) {
    for (int i = 1; i < argc; ++i) {
      if (std::strcmp(argv[i], "--gentle") == 0) {
        gentle_ = true;
        continue;
      }
      bool is_seed = std::strcmp(argv[i], "--seed") == 0;
      if (is_seed ? i + 1 == argc : default_count == 0) {
        Refuse(program, argv[i]);
      }
      uint64_t& target = is_seed ? seed_ : count_;
      const char* text = argv[is_seed ? ++i : i];
      char* end = nullptr;
      target = std::strtoull(text, &end, 0);
      if (*text == '\0' || *end != '\0') {
        Refuse(program, text);
      }
    }
    std::printf("%s seed %llu\n", program, static_cast<unsigned long long>(seed_));
  }

  uint64_t seed() const { return seed_; }

  uint64_t count() const { return count_; }

  // Handles that were destroyed, or never were any, must not be used: a driver that dereferences
  // them does not survive it.
  bool gentle() const { return gentle_; }

  void Expect(bool holds, const std::string& claim) {
    if (!holds) {
      ++failures_;
      std::printf("wrong: %s\n", claim.c_str());
    }
  }

  // A code that an API answered with, which belongs to the checksum like data.
  void ExpectCode(int given, int wanted, const std::string& what) {
    Add(&given, sizeof given);
    Expect(given == wanted,
           what + " gave " + std::to_string(given) + ", not " + std::to_string(wanted));
  }

  // Bit for bit; says where the first difference is.
  template <typename T>
  void ExpectEqual(const std::vector<T>& device,
                   const std::vector<T>& wanted,
                   const std::string& what) {
    Add(device.data(), device.size() * sizeof(T));
    if (device.size() != wanted.size()) {
      Expect(false, what + " has another size");
      return;
    }
    size_t differences = 0;
    size_t first = 0;
    for (size_t i = 0; i < device.size(); ++i) {
      if (std::memcmp(&device[i], &wanted[i], sizeof(T)) != 0 && differences++ == 0) {
        first = i;
      }
    }
    Expect(differences == 0, what + ": " + std::to_string(differences) + " of " +
                                 std::to_string(device.size()) + " elements differ, the first at " +
                                 std::to_string(first));
  }

  // No element further than `tolerance` from what it should be, and none a NaN. For results of
  // approximate functions, and for sums in another order than the CPU's.
  template <typename T>
  void ExpectNear(const std::vector<T>& device,
                  const std::vector<double>& wanted,
                  double tolerance,
                  const std::string& what) {
    Add(device.data(), device.size() * sizeof(T));
    if (device.size() != wanted.size()) {
      Expect(false, what + " has another size");
      return;
    }
    double worst = 0;
    for (size_t i = 0; i < device.size(); ++i) {
      double distance = std::fabs(static_cast<double>(device[i]) - wanted[i]);
      worst = distance <= worst ? worst : distance;
    }
    Expect(worst <= tolerance, what + ": off by up to " + std::to_string(worst));
  }

  // Prints the verdict; the program's exit code.
  int Finish() const {
    std::printf("checksum %016llx\n", static_cast<unsigned long long>(checksum_));
    std::printf("%s\n", failures_ == 0 ? "PASS" : "FAIL");
    return failures_ == 0 ? 0 : 1;
  }

 private:
  [[noreturn]] static void Refuse(const char* program, const char* argument) {
    std::fprintf(stderr, "usage: %s [--seed N] [--gentle] [COUNT]   (cannot use: %s)\n", program,
                 argument);
    std::exit(2);
  }

  // FNV-1a.
  void Add(const void* bytes, size_t size_bytes) {
    const unsigned char* at = static_cast<const unsigned char*>(bytes);
    for (size_t i = 0; i < size_bytes; ++i) {
      checksum_ = (checksum_ ^ at[i]) * 0x100000001b3u;
    }
  }

  uint64_t seed_ = 1;
  bool gentle_ = false;
  uint64_t count_ = 0;
  uint64_t checksum_ = 0xcbf29ce484222325u;
  int failures_ = 0;
};

}  // namespace apps
