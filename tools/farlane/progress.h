// SPDX-License-Identifier: Apache-2.0
// Progress says on the standard error how far something has come that lasts. On a terminal it is
// one line that changes and is gone in the end; elsewhere a line now and then, so that a log stays
// short. What is done at once says nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace farlane::cli {

// Thread: caller's.
class Progress {
 public:
  struct Settings {
    bool on_terminal = false;
    uint64_t begin_after_ns = 1'000'000'000;  // what takes no longer says nothing
    uint64_t terminal_every_ns = 100'000'000;
    uint64_t lines_begin_after_ns = 5'000'000'000;  // ... and not so soon where it is no terminal
    uint64_t lines_every_ns = 10'000'000'000;
  };

  // `what`: "backup". FARLANE_PROGRESS=0 keeps it quiet.
  explicit Progress(std::string what);
  // `write` instead of the standard error, `now_ns` instead of the clock.
  Progress(std::string what,
           Settings settings,
           std::function<void(const std::string&)> write,
           std::function<uint64_t()> now_ns);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // The terminal's line is cleared.
  ~Progress();

  // How far it is: "3 of 12 servers". Said when it is time to.
  void Say(const std::string& how_far);
  void Say(uint64_t done, uint64_t of, const char* what);

 private:
  const std::string what_;
  const Settings settings_;
  const std::function<void(const std::string&)> write_;
  const std::function<uint64_t()> now_ns_;
  const uint64_t began_ns_;
  uint64_t said_ns_ = 0;
  std::string said_;
};

}  // namespace farlane::cli
