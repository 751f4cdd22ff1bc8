// SPDX-License-Identifier: Apache-2.0
// farlane completion: prints what a shell has to read to complete our command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "tools/farlane/command_words.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

std::string Joined(const std::vector<std::string>& words, const char* between) {
  std::string joined;
  for (const std::string& word : words) {
    joined += (joined.empty() ? "" : between) + word;
  }
  return joined;
}

// In single quotes, as all three shells read them.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char letter : text) {
    quoted += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  }
  return quoted + "'";
}

// A description inside zsh's [brackets], where brackets and colons mean something.
std::string ZshText(const std::string& text) {
  std::string escaped;
  for (const char letter : text) {
    if (letter == '[' || letter == ']' || letter == ':') {
      escaped += '\\';
    }
    escaped += letter;
  }
  return escaped;
}

std::vector<std::string> VerbNames(const CommandWords& words) {
  std::vector<std::string> names;
  for (const VerbWords& verb : words.verbs) {
    names.push_back(verb.name);
  }
  return names;
}

std::vector<std::string> OptionNames(const std::vector<OptionWords>& options) {
  std::vector<std::string> names;
  for (const OptionWords& option : options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

// The branch of one verb: values behind an option that wants one, else options and arguments.
std::string BashVerb(const VerbWords& verb) {
  std::string text = "    " + verb.name + ")\n";
  std::vector<std::string> with_value;
  std::string values;
  for (const OptionWords& option : verb.options) {
    if (option.takes_value) {
      with_value.insert(with_value.end(), option.names.begin(), option.names.end());
      values += "        " + Joined(option.names, "|") +
                ") words=" + Quoted(Joined(option.values, " ")) + " ;;\n";
    }
  }
  const std::string plain =
      "words=" + Quoted(Joined(OptionNames(verb.options), " ") + " " + Joined(verb.arguments, " "));
  if (verb.takes_command) {
    // The words behind the options belong to another command, with a completion of its own.
    text +=
        "      local at=2\n      while [[ $at -lt $COMP_CWORD && ${COMP_WORDS[at]} == -* ]]; do\n"
        "        case ${COMP_WORDS[at]} in\n"
        "          --) at=$((at + 1)); break ;;\n" +
        (with_value.empty() ? ""
                            : "          " + Joined(with_value, "|") + ") at=$((at + 1)) ;;\n") +
        "        esac\n        at=$((at + 1))\n      done\n"
        "      if [[ $at -le $COMP_CWORD && ( $current != -* || ${COMP_WORDS[at-1]} == -- ) ]]; "
        "then\n"
        "        if declare -F _command_offset > /dev/null; then\n"
        "          _command_offset \"$at\"\n"
        "        elif [[ $at -eq $COMP_CWORD ]]; then\n"
        "          mapfile -t COMPREPLY < <(compgen -c -- \"$current\")\n"
        "        fi\n        return\n      fi\n";
  }
  text += "      case $previous in\n" + values + "        *) " + plain + " ;;\n      esac\n";
  return text + "      ;;\n";
}

std::string Bash(const CommandWords& words) {
  std::string text =
      "# bash completion of farlane; to use it: source <(farlane completion bash)\n"
      "_farlane() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
      "  COMPREPLY=()\n"
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    words=" +
      Quoted(Joined(VerbNames(words), " ") + " " + Joined(OptionNames(words.options), " ")) +
      "\n"
      "  else\n  case ${COMP_WORDS[1]} in\n";
  for (const VerbWords& verb : words.verbs) {
    text += BashVerb(verb);
  }
  return text +
         "  esac\n  fi\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
         "}\n"
         "complete -o default -F _farlane farlane\n";
}

std::string ZshOption(const OptionWords& option) {
  std::string value;
  if (option.takes_value) {
    value = ":value:" + (option.values.empty() ? std::string("_default")
                                               : "(" + Joined(option.values, " ") + ")");
  }
  // The names of one option exclude each other.
  std::string text;
  for (const std::string& name : option.names) {
    text += " \\\n        " + Quoted("(" + Joined(option.names, " ") + ")" + name +
                                     (option.takes_value && name.size() > 2 ? "=" : "") + "[" +
                                     ZshText(option.description) + "]" + value);
  }
  return text;
}

std::string Zsh(const CommandWords& words) {
  std::string text =
      "#compdef farlane\n"
      "# zsh completion of farlane; to use it: source <(farlane completion zsh)\n"
      "_farlane() {\n"
      "  local -a verbs\n"
      "  verbs=(\n";
  for (const VerbWords& verb : words.verbs) {
    text += "    " + Quoted(verb.name + ":" + ZshText(verb.description)) + "\n";
  }
  text += "  )\n  if (( CURRENT == 2 )); then\n    _describe verb verbs\n    _arguments -A '-*'";
  for (const OptionWords& option : words.options) {
    text += ZshOption(option);
  }
  text +=
      "\n    return\n  fi\n  local verb=${words[2]}\n  shift words; (( CURRENT-- ))\n  case $verb "
      "in\n";
  for (const VerbWords& verb : words.verbs) {
    text += "    " + verb.name + ")\n      _arguments -A '-*'";
    for (const OptionWords& option : verb.options) {
      text += ZshOption(option);
    }
    if (verb.takes_command) {
      text += " \\\n        '*:::command:_normal'";
    } else if (!verb.arguments.empty()) {
      text += " \\\n        " + Quoted(":argument:(" + Joined(verb.arguments, " ") + ")");
    }
    text += " ;;\n";
  }
  return text +
         "  esac\n}\n"
         "if [[ $funcstack[1] == _farlane ]]; then\n  _farlane \"$@\"\nelse\n"
         "  compdef _farlane farlane\nfi\n";
}

std::string FishOptions(const std::vector<OptionWords>& options, const std::string& condition) {
  std::string text;
  for (const OptionWords& option : options) {
    text += "complete -c farlane -n " + Quoted(condition);
    for (const std::string& name : option.names) {
      text += name.size() > 2 ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    text += option.takes_value ? " -x" : "";
    text += option.values.empty() ? "" : " -a " + Quoted(Joined(option.values, " "));
    text += " -d " + Quoted(option.description) + "\n";
  }
  return text;
}

// Completes the words behind the options as a command line of its own.
std::string FishCommand(const VerbWords& verb) {
  std::vector<std::string> with_value;
  for (const OptionWords& option : verb.options) {
    if (option.takes_value) {
      with_value.insert(with_value.end(), option.names.begin(), option.names.end());
    }
  }
  return "function __farlane_command\n"
         "  set -l words (commandline -opc) (commandline -ct)\n"
         "  set -e words[1..2]\n"
         "  while set -q words[1]\n"
         "    switch $words[1]\n"
         "      case --\n        set -e words[1]\n        break\n"
         "      case " +
         Joined(with_value, " ") +
         "\n        set -e words[1]\n"
         "      case '-*'\n"
         "      case '*'\n        break\n"
         "    end\n"
         "    set -e words[1]\n"
         "  end\n"
         "  complete -C \"$words\"\n"
         "end\n";
}

std::string Fish(const CommandWords& words) {
  std::string text =
      "# fish completion of farlane; to use it: farlane completion fish | source\n"
      "complete -c farlane -f\n";
  const std::string none = "__fish_use_subcommand";
  text += FishOptions(words.options, none);
  for (const VerbWords& verb : words.verbs) {
    const std::string chosen = "__fish_seen_subcommand_from " + verb.name;
    text += "complete -c farlane -n " + Quoted(none) + " -a " + verb.name + " -d " +
            Quoted(verb.description) + "\n" + FishOptions(verb.options, chosen);
    if (!verb.arguments.empty()) {
      text += "complete -c farlane -n " + Quoted(chosen) + " -a " +
              Quoted(Joined(verb.arguments, " ")) + "\n";
    }
    if (verb.takes_command) {
      text += FishCommand(verb) + "complete -c farlane -n " + Quoted(chosen) +
              " -a '(__farlane_command)'\n";
    }
  }
  return text;
}

}  // namespace

Verb AddCompletion(CLI::App& root) {
  auto shell = std::make_shared<std::string>();  // shared by the parser and the verb's action
  CLI::App* app =
      root.add_subcommand("completion", "Print a script that completes farlane's words");
  app->formatter(std::make_shared<HelpFormat>("SHELL"));
  app->add_option("shell", *shell, "the shell that will read it")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("");
  app->footer(
      "Examples:\n"
      "  source <(farlane completion bash)\n"
      "  farlane completion zsh > \"${fpath[1]}/_farlane\"\n"
      "  farlane completion fish > ~/.config/fish/completions/farlane.fish");
  const auto act = [&root, shell](const std::vector<std::string>&) {
    const CommandWords words = ReadCommandWords(root);
    const std::string text = *shell == "bash"  ? Bash(words)
                             : *shell == "zsh" ? Zsh(words)
                                               : Fish(words);
    fputs(text.c_str(), stdout);
    return 0;
  };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
