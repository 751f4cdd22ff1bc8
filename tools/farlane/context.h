// SPDX-License-Identifier: Apache-2.0
// A context is what somebody says to farlane each time: which pool, by whose token, for which
// project. What stands in it counts as if the environment said it, where neither the command line
// nor the environment says anything.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "tools/farlane/config_file.h"

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

// One thing that a context can say.
struct ContextWord {
  const char* name;      // "pool"
  const char* variable;  // of the environment, that means the same: "FARLANE_POOL"
  // It belongs to the address: who names another pool or server does not send this token there.
  bool goes_with_address;
  const char* what;  // for people
};

std::span<const ContextWord> ContextWords();
// Null: there is none of this name.
const ContextWord* FindContextWord(const std::string& name);

// The file that the user's own settings are in: FARLANE_CONFIG, or
// $XDG_CONFIG_HOME/farlane/config.yaml (~/.config).
std::string UserConfigPath();

// A setting that counts, and where it comes from.
struct Effective {
  const ContextWord* word;
  std::string value;
  std::string origin;  // for people
};

struct ContextChoice {
  std::string name;  // empty: none is chosen
  std::string path;  // of the file that it is in
  std::vector<Effective> settings;
};

// What counts for a command line that names this context (empty: the current one) and, perhaps, an
// address.
Result<ContextChoice> ChooseContext(const std::string& named, bool names_address);

// The option --context, of all verbs that ask a pool or a server.
void AddContextOptions(CLI::App& root);
// Puts into the environment what the context of a verb's line says. Before anybody looks there.
Status ApplyContext(const CLI::App& verb);

}  // namespace farlane::cli
