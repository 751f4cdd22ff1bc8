// SPDX-License-Identifier: Apache-2.0
// HelpFormat is how --help looks: the parsing library's layout with a usage line of our own,
// because the library knows nothing of a command behind "--".
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace farlane::cli {

// Immutable.
class HelpFormat final : public CLI::Formatter {
 public:
  explicit HelpFormat(std::string arguments) : arguments_(std::move(arguments)) {
    constexpr size_t kOptionColumn = 34;  // the longest option with its value fits
    column_width(kOptionColumn);
  }

  // What stands behind the verb.
  const std::string& arguments() const { return arguments_; }

  std::string make_usage(const CLI::App* /*app*/, std::string name) const override {
    return "Usage: " + name + " " + arguments_ + "\n";
  }

  // Only the value's name: what excludes what is said when somebody tries.
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    const size_t start = type.find_first_not_of(':');
    return option->get_items_expected_max() > 0 && start != std::string::npos
               ? " " + type.substr(start)
               : "";
  }

 private:
  const std::string arguments_;
};

// The help of one verb, or of the whole program, whatever was parsed so far.
inline std::string HelpOf(const CLI::App& app, const std::string& name) {
  return app.get_formatter()->make_help(&app, name, CLI::AppFormatMode::Normal);
}

}  // namespace farlane::cli
