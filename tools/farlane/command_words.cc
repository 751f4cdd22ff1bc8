// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/command_words.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/farlane/help_format.h"

namespace farlane::cli {
namespace {

// The parser keeps the allowed values of an option only inside its description: "{text,json}".
std::vector<std::string> AllowedValues(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}');
  std::vector<std::string> values;
  if (open == std::string::npos || close == std::string::npos) {
    return values;
  }
  for (size_t start = open + 1; start < close;) {
    const size_t comma = std::min(type.find(',', start), close);
    values.push_back(type.substr(start, comma - start));
    start = comma + 1;
  }
  return values;
}

// "SIZE" of "SIZE", and nothing of ":{text,json}" or "TEXT:{text,json}".
std::string ValueName(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

// What stands behind the verb.
std::string UsageOf(const CLI::App& app) {
  const auto format = std::dynamic_pointer_cast<HelpFormat>(app.get_formatter());
  return format == nullptr ? "" : format->arguments();
}

OptionWords ReadOption(const CLI::Option& option) {
  OptionWords words{.names = {},
                    .description = option.get_description(),
                    .takes_value = option.get_items_expected_max() > 0,
                    .value_name = ValueName(option),
                    .values = AllowedValues(option)};
  for (const std::string& name : option.get_snames()) {
    words.names.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    words.names.push_back("--" + name);
  }
  return words;
}

// Options of the group "" are not shown in the help either.
std::vector<OptionWords> ReadOptions(const CLI::App& app) {
  std::vector<OptionWords> options;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional() && !option->get_group().empty()) {
      options.push_back(ReadOption(*option));
    }
  }
  return options;
}

}  // namespace

CommandWords ReadCommandWords(const CLI::App& root) {
  CommandWords words{.description = root.get_description(),
                     .footer = root.get_footer(),
                     .options = ReadOptions(root),
                     .verbs = {}};
  std::vector<std::string> names;
  const std::vector<const CLI::App*> apps = root.get_subcommands({});
  for (const CLI::App* app : apps) {
    names.push_back(app->get_name());
  }
  for (const CLI::App* app : apps) {
    VerbWords verb{.name = app->get_name(),
                   .description = app->get_description(),
                   .options = ReadOptions(*app),
                   .arguments = {},
                   .takes_command = app->get_prefix_command(),
                   .usage = UsageOf(*app),
                   .footer = app->get_footer()};
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_positional()) {
        const bool names_verb = option->get_name() == "verb";
        const std::vector<std::string> values = names_verb ? names : AllowedValues(*option);
        verb.arguments.insert(verb.arguments.end(), values.begin(), values.end());
      }
    }
    words.verbs.push_back(std::move(verb));
  }
  return words;
}

}  // namespace farlane::cli
