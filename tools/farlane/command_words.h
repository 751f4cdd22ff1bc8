// SPDX-License-Identifier: Apache-2.0
// CommandWords is the command line as data: verbs, options and the values they may take. It is read
// from the parser, so that completion cannot promise what the parser does not take.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

struct OptionWords {
  std::vector<std::string> names;  // "-o", "--output"
  std::string description;
  bool takes_value = false;
  std::string value_name;           // "SIZE"
  std::vector<std::string> values;  // empty: any value
};

struct VerbWords {
  std::string name;
  std::string description;
  std::vector<OptionWords> options;
  std::vector<std::string> arguments;  // words that may follow by themselves
  bool takes_command = false;          // a command line of the user's follows
  std::string usage;                   // "list|get [OPTIONS] [NAME]"
  std::string footer;                  // of the help: more on it, exit codes, examples
};

struct CommandWords {
  std::string description;
  std::string footer;
  std::vector<OptionWords> options;
  std::vector<VerbWords> verbs;
};

CommandWords ReadCommandWords(const CLI::App& root);

}  // namespace farlane::cli
