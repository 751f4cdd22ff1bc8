// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/context.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "protocol/base/environment.h"

namespace farlane::cli {
namespace {

constexpr char kContextOption[] = "--context";
constexpr char kSystemPath[] = "/etc/farlane/client.yaml";

constexpr ContextWord kWords[] = {
    {"pool", "FARLANE_POOL", true, "the pool's managers, HOST:PORT[,HOST:PORT]"},
    {"pool-token-file", "FARLANE_POOL_TOKEN_FILE", true, "what is shown to the pool's managers"},
    {"pool-ca", "FARLANE_CA_FILE", true, "by whose certificate its managers are known"},
    {"pool-pin", "FARLANE_CA_PIN", true, "the same by the certificate's digest"},
    {"server", "FARLANE_SERVER", true, "GPU servers, without a pool"},
    {"token-file", "FARLANE_TOKEN_FILE", true, "what is shown to those servers"},
    {"tls-ca", "FARLANE_TLS_CA", true, "whose certificates those servers show"},
    {"transport", "FARLANE_TRANSPORT", true, "the way to servers: auto, shm, unix or tcp"},
    {"project", "FARLANE_PROJECT", true, "whose sessions these are"},
    {"place", "FARLANE_PLACE", false, "where this machine is: region=…,zone=…,rack=…"},
    {"mem", "FARLANE_MEM", false, "memory of each GPU"},
    {"share", "FARLANE_SHARE", false, "the part of each GPU's time that is promised"},
    {"priority", "FARLANE_PRIORITY", false, "guaranteed, standard or best-effort"},
    {"profile", "FARLANE_PROFILE", false, "what kind of program it is"},
    {"model", "FARLANE_MODEL", false, "the GPUs' model"},
    {"max-rtt", "FARLANE_MAX_RTT", false, "servers no farther away than this"},
    {"min-bandwidth", "FARLANE_MIN_BANDWIDTH", false, "the way carries at least so much"},
    {"queue-timeout", "FARLANE_QUEUE_TIMEOUT", false, "how long a program waits for room"},
};

Result<std::vector<ConfigFile>> ReadFiles() {
  std::vector<ConfigFile> files;
  if (const std::string path = UserConfigPath(); !path.empty()) {
    FARLANE_ASSIGN(ConfigFile file, ConfigFile::Read(path));
    files.push_back(std::move(file));
  }
  if (!Environment("FARLANE_CONFIG")) {
    FARLANE_ASSIGN(ConfigFile file, ConfigFile::Read(kSystemPath));
    files.push_back(std::move(file));
  }
  return files;
}

Status NoSuch(const std::string& name, const std::vector<ConfigFile>& files) {
  std::string known;
  for (const ConfigFile& file : files) {
    for (const ConfigFile::Context& context : file.contexts()) {
      known += (known.empty() ? "" : ", ") + context.name;
    }
  }
  return Status(StatusCode::kNotFound,
                "there is no context \"" + name + "\"" +
                    (known.empty() ? "; farlane config set makes one" : "; there are " + known));
}

bool IsInEnvironment(const ContextWord& word) {
  return Environment(word.variable).has_value();
}

// The address of a pool or a server makes all that goes with it somebody else's.
bool EnvironmentNamesAddress() {
  return Environment("FARLANE_POOL").has_value() || Environment("FARLANE_SERVER").has_value() ||
         Environment("FARLANE_CONTROL").has_value();
}

enum class Origin : uint8_t { kContext, kEnvironment };

// Who names a context on the line wants its address, whatever the environment says; and of two
// addresses nothing is mixed.
Origin WhoCounts(const ContextWord& word, bool names_context, bool names_address) {
  if (!word.goes_with_address) {
    return IsInEnvironment(word) ? Origin::kEnvironment : Origin::kContext;
  }
  if (names_address) {
    return Origin::kEnvironment;
  }
  if (EnvironmentNamesAddress()) {
    return names_context ? Origin::kContext : Origin::kEnvironment;
  }
  return IsInEnvironment(word) ? Origin::kEnvironment : Origin::kContext;
}

// A pool, or a server.
bool AsksSomebody(const CLI::App& verb) {
  return verb.get_option_no_throw("--pool") != nullptr ||
         verb.get_option_no_throw("--server") != nullptr;
}

bool IsGiven(const CLI::App& verb, const char* option) {
  const CLI::Option* const found = verb.get_option_no_throw(option);
  return found != nullptr && found->count() > 0;
}

}  // namespace

std::span<const ContextWord> ContextWords() {
  return kWords;
}

const ContextWord* FindContextWord(const std::string& name) {
  const auto* const found = std::find_if(std::begin(kWords), std::end(kWords),
                                         [&](const ContextWord& one) { return one.name == name; });
  return found == std::end(kWords) ? nullptr : found;
}

std::string UserConfigPath() {
  if (const auto path = Environment("FARLANE_CONFIG")) {
    return *path;
  }
  if (const auto home = Environment("XDG_CONFIG_HOME")) {
    return *home + "/farlane/config.yaml";
  }
  const auto home = Environment("HOME");
  return home ? *home + "/.config/farlane/config.yaml" : "";
}

Result<ContextChoice> ChooseContext(const std::string& named, bool names_address) {
  FARLANE_ASSIGN(const std::vector<ConfigFile> files, ReadFiles());
  ContextChoice choice{.name = named.empty() ? Environment("FARLANE_CONTEXT").value_or("") : named,
                       .path = {},
                       .settings = {}};
  for (const ConfigFile& file : files) {
    choice.name = choice.name.empty() ? file.current() : choice.name;
  }
  const ConfigFile::Context* context = nullptr;
  for (const ConfigFile& file : files) {
    if (const ConfigFile::Context* const found = file.Find(choice.name);
        found != nullptr && context == nullptr) {
      context = found;
      choice.path = file.path();
    }
  }
  if (context == nullptr && !choice.name.empty()) {
    return NoSuch(choice.name, files);
  }
  for (const auto& [key, value] :
       context == nullptr ? ConfigFile::Context().settings : context->settings) {
    if (FindContextWord(key) == nullptr) {
      return Status(StatusCode::kInvalidArgument, choice.path + ": context " + choice.name +
                                                      " has \"" + key +
                                                      "\", which is no setting (farlane config "
                                                      "--help lists them)");
    }
  }
  for (const ContextWord& word : kWords) {
    const auto value = context == nullptr ? std::nullopt : context->Find(word.name);
    switch (WhoCounts(word, !named.empty(), names_address)) {
      case Origin::kContext:
        if (value.has_value()) {
          choice.settings.push_back(
              {&word, *value, "context " + choice.name + " of " + choice.path});
        }
        break;
      case Origin::kEnvironment:
        if (IsInEnvironment(word)) {
          choice.settings.push_back(
              {&word, *Environment(word.variable), std::string("environment, ") + word.variable});
        }
        break;
    }
  }
  return choice;
}

void AddContextOptions(CLI::App& root) {
  for (CLI::App* const verb : root.get_subcommands([](CLI::App* /*any*/) { return true; })) {
    if (AsksSomebody(*verb)) {
      verb->add_option(kContextOption, "which context of farlane config [the current one]")
          ->type_name("NAME");
    }
  }
}

Status ApplyContext(const CLI::App& verb) {
  if (!AsksSomebody(verb)) {
    return Status::Ok();
  }
  const CLI::Option* const option = verb.get_option_no_throw(kContextOption);
  bool names_address = false;
  for (const char* const address : {"--pool", "--server", "--local", "--direct", "--control"}) {
    names_address = names_address || IsGiven(verb, address);
  }
  FARLANE_ASSIGN(
      const ContextChoice choice,
      ChooseContext(option->count() > 0 ? option->as<std::string>() : "", names_address));
  // What the environment says of one address is not shown to another.
  if (option->count() > 0 && !names_address && EnvironmentNamesAddress()) {
    for (const ContextWord& word : kWords) {
      if (word.goes_with_address) {
        unsetenv(word.variable);
      }
    }
    unsetenv("FARLANE_POOL_TOKEN");
    unsetenv("FARLANE_TOKEN");
  }
  for (const Effective& one : choice.settings) {
    setenv(one.word->variable, one.value.c_str(), 1);
  }
  return Status::Ok();
}

}  // namespace farlane::cli
