// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/progress.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/environment.h"

namespace farlane::cli {
namespace {

constexpr char kClear[] = "\r\x1b[K";

bool IsTerminal() {
  return isatty(STDERR_FILENO) == 1 && Environment("TERM").value_or("dumb") != "dumb";
}

void WriteToStderr(const std::string& text) {
  if (Environment("FARLANE_PROGRESS").value_or("1") != "0") {
    fputs(text.c_str(), stderr);
    fflush(stderr);
  }
}

}  // namespace

Progress::Progress(std::string what)
    : Progress(std::move(what), {.on_terminal = IsTerminal()}, &WriteToStderr, &NowNs) {}

Progress::Progress(std::string what,
                   Settings settings,
                   std::function<void(const std::string&)> write,
                   std::function<uint64_t()> now_ns)
    : what_(std::move(what)),
      settings_(settings),
      write_(std::move(write)),
      now_ns_(std::move(now_ns)),
      began_ns_(now_ns_()) {}

Progress::~Progress() {
  if (settings_.on_terminal && said_ns_ != 0) {
    write_(kClear);
  }
}

void Progress::Say(const std::string& how_far) {
  const uint64_t now_ns = now_ns_();
  const uint64_t after_ns =
      settings_.on_terminal ? settings_.begin_after_ns : settings_.lines_begin_after_ns;
  const uint64_t every_ns =
      settings_.on_terminal ? settings_.terminal_every_ns : settings_.lines_every_ns;
  if (now_ns - began_ns_ < after_ns || (said_ns_ != 0 && now_ns - said_ns_ < every_ns) ||
      how_far == said_) {
    return;
  }
  said_ns_ = now_ns;
  said_ = how_far;
  const std::string text = "farlane: " + what_ + ": " + how_far;
  write_(settings_.on_terminal ? kClear + text : text + "\n");
}

void Progress::Say(uint64_t done, uint64_t of, const char* what) {
  Say(std::to_string(done) + " of " + std::to_string(of) + " " + what);
}

}  // namespace farlane::cli
