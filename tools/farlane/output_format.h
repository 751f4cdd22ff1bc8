// SPDX-License-Identifier: Apache-2.0
// The option "-o text|json" of every verb that reports something.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace farlane::cli {

inline void AddOutputFormat(CLI::App* app, std::string* format) {
  *format = "text";
  app->add_option("-o,--output", *format, "how to print it")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("");
}

}  // namespace farlane::cli
