// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "protocol/base/log.h"
#include "tools/farlane/context.h"
#include "tools/farlane/help_format.h"

namespace farlane::cli {
namespace {

// More slips than this in one word make it another word.
constexpr size_t kSlipsMax = 2;

// How many letters must be changed, added, dropped or swapped with their neighbour.
size_t SlipsBetween(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> slips(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        slips[i][j] = i + j;
        continue;
      }
      const size_t changed = slips[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      slips[i][j] = std::min({slips[i - 1][j] + 1, slips[i][j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        slips[i][j] = std::min(slips[i][j], slips[i - 2][j - 2] + 1);
      }
    }
  }
  return slips[a.size()][b.size()];
}

bool LooksLikeOption(const std::string& word) {
  return word.size() > 1 && word[0] == '-';
}

bool TakesNextWord(const CLI::App& app, const std::string& word) {
  const CLI::Option* option = app.get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_min() > 0;
}

// Where the user's command starts: behind "--", or at the first word that is neither an option nor
// an option's value. Its words are none of the parser's business.
size_t CommandStart(const CLI::App& app, const std::vector<std::string>& arguments, size_t first) {
  for (size_t i = first; i < arguments.size(); ++i) {
    if (arguments[i] == "--" || !LooksLikeOption(arguments[i])) {
      return i;
    }
    if (TakesNextWord(app, arguments[i])) {
      ++i;
    }
  }
  return arguments.size();
}

struct SplitLine {
  std::vector<std::string> parsed;
  std::vector<std::string> command;
};

SplitLine Split(const std::vector<Verb>& verbs, const std::vector<std::string>& arguments) {
  SplitLine line{.parsed = arguments, .command = {}};
  for (const Verb& verb : verbs) {
    if (!verb.takes_command || arguments.empty() || arguments[0] != verb.app->get_name()) {
      continue;
    }
    size_t start = CommandStart(*verb.app, arguments, 1);
    line.parsed.assign(arguments.begin(), arguments.begin() + static_cast<ptrdiff_t>(start));
    start += start < arguments.size() && arguments[start] == "--" ? 1 : 0;
    line.command.assign(arguments.begin() + static_cast<ptrdiff_t>(start), arguments.end());
  }
  return line;
}

std::vector<std::string> VerbNames(const std::vector<Verb>& verbs) {
  std::vector<std::string> names;
  for (const Verb& verb : verbs) {
    names.push_back(verb.app->get_name());
  }
  return names;
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

std::string Suggestion(const std::string& nearest) {
  return nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?";
}

const Verb* ChosenVerb(const std::vector<Verb>& verbs) {
  for (const Verb& verb : verbs) {
    if (verb.app->parsed()) {
      return &verb;
    }
  }
  return nullptr;
}

int ReportMistake(const CLI::App& root,
                  const std::vector<Verb>& verbs,
                  const std::vector<std::string>& arguments,
                  const char* what) {
  const Verb* verb = ChosenVerb(verbs);
  const CLI::App& app = verb != nullptr ? *verb->app : root;
  const std::string see =
      verb != nullptr ? "farlane " + app.get_name() + " --help" : "farlane help";
  // The library's own sentence for a word it does not know names neither the word nor a way out.
  std::vector<std::string> unknown = app.remaining();
  if (unknown.empty() && verb == nullptr && !arguments.empty()) {
    unknown.push_back(arguments[0]);
  }
  if (unknown.empty()) {
    LogError("%s (see %s)", what, see.c_str());
  } else if (verb == nullptr && !LooksLikeOption(unknown[0])) {
    LogError("there is no \"farlane %s\"%s (see %s)", unknown[0].c_str(),
             Suggestion(NearestWord(unknown[0], VerbNames(verbs))).c_str(), see.c_str());
  } else {
    const std::string name = unknown[0].substr(0, unknown[0].find('='));
    LogError("%s%s does not know \"%s\"%s (see %s)", verb != nullptr ? "farlane " : "farlane",
             app.get_name() == "farlane" ? "" : app.get_name().c_str(), unknown[0].c_str(),
             Suggestion(NearestWord(name, OptionNames(app))).c_str(), see.c_str());
  }
  return kExitFarlane;
}

// The exit code if the line was answered here: help, or a mistake.
std::optional<int> Parse(CLI::App& root,
                         const std::vector<Verb>& verbs,
                         const std::vector<std::string>& arguments) {
  try {
    // The library wants the last word first.
    root.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& answered) {
    return root.exit(answered);
  } catch (const CLI::ParseError& error) {
    return ReportMistake(root, verbs, arguments, error.what());
  }
  // A verb that takes a command accepts any word; those of the command were split off before.
  const Verb* verb = ChosenVerb(verbs);
  if (verb != nullptr && !verb->app->remaining().empty()) {
    return ReportMistake(root, verbs, arguments, "");
  }
  return std::nullopt;
}

}  // namespace

std::string NearestWord(const std::string& word, const std::vector<std::string>& known) {
  std::string nearest;
  size_t fewest = kSlipsMax + 1;
  for (const std::string& candidate : known) {
    const size_t slips = SlipsBetween(word, candidate);
    // A word that would have to change altogether is no slip.
    if (slips < fewest && slips < candidate.size() - 1) {
      fewest = slips;
      nearest = candidate;
    }
  }
  return nearest;
}

int ParseAndAct(CLI::App& root,
                const std::vector<Verb>& verbs,
                const std::vector<std::string>& arguments) {
  const SplitLine line = Split(verbs, arguments);
  if (const std::optional<int> code = Parse(root, verbs, line.parsed)) {
    return *code;
  }
  const Verb* verb = ChosenVerb(verbs);
  if (verb == nullptr) {
    fputs(HelpOf(root, "farlane").c_str(), stdout);
    return 0;
  }
  if (const Status status = ApplyContext(*verb->app); !status.ok()) {
    return Fail(status);
  }
  return verb->act(line.command);
}

}  // namespace farlane::cli
