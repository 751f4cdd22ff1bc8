// SPDX-License-Identifier: Apache-2.0
// farlane config: what farlane is told each time, kept under a name.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "tools/farlane/context.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/noun_output.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct ConfigOptions {
  std::string topic;
  std::vector<std::string> words;
  std::string context;
  OutputWish output;
};

std::string TextOf(const OrderedJson& one, const char* name) {
  const OrderedJson value = ValueAt(one, name);
  return value.is_string() ? value.get<std::string>() : "";
}

const Noun& SettingNoun() {
  static const Noun noun = {
      "settings",
      {{"SETTING", [](const OrderedJson& one) { return TextOf(one, "name"); }},
       {"VALUE", [](const OrderedJson& one) { return TextOf(one, "value"); }},
       {"FROM", [](const OrderedJson& one) { return TextOf(one, "origin"); }}},
      [](const OrderedJson& one) { return TextOf(one, "name"); },
      [](const OrderedJson& one) { return one; }};
  return noun;
}

const Noun& ContextNoun() {
  static const Noun noun = {
      "contexts",
      {{"CURRENT",
        [](const OrderedJson& one) -> std::string {
          return ValueAt(one, "current") == true ? "*" : "";
        }},
       {"CONTEXT", [](const OrderedJson& one) { return TextOf(one, "name"); }},
       {"POOL", [](const OrderedJson& one) { return TextOf(one, "settings.pool"); }},
       {"SERVER", [](const OrderedJson& one) { return TextOf(one, "settings.server"); }},
       {"PROJECT", [](const OrderedJson& one) { return TextOf(one, "settings.project"); }}},
      [](const OrderedJson& one) { return TextOf(one, "name"); },
      [](const OrderedJson& one) { return ValueAt(one, "settings"); }};
  return noun;
}

int Print(const Noun& noun, const ConfigOptions& options, OrderedJson list) {
  const Result<std::string> text =
      NounText(noun, options.output, OrderedJson{{noun.member, std::move(list)}});
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

// What counts here and now, and where it comes from.
int View(const ConfigOptions& options) {
  const Result<ContextChoice> choice = ChooseContext(options.context, false);
  if (!choice.ok()) {
    return Fail(choice.error());
  }
  OrderedJson list = OrderedJson::array();
  for (const Effective& one : choice.value().settings) {
    list.push_back({{"name", one.word->name}, {"value", one.value}, {"origin", one.origin}});
  }
  return Print(SettingNoun(), options, std::move(list));
}

int ListContexts(const ConfigOptions& options, const ConfigFile& file) {
  OrderedJson list = OrderedJson::array();
  for (const ConfigFile::Context& context : file.contexts()) {
    OrderedJson settings = OrderedJson::object();
    for (const auto& [key, value] : context.settings) {
      settings[key] = value;
    }
    list.push_back({{"name", context.name},
                    {"current", context.name == file.current()},
                    {"settings", std::move(settings)}});
  }
  return Print(ContextNoun(), options, std::move(list));
}

Status NoContext(const ConfigFile& file, const std::string& name) {
  return Status(StatusCode::kNotFound, "there is no context \"" + name + "\" in " + file.path() +
                                           " (farlane config contexts lists them)");
}

// The context that set and unset are about.
Result<std::string> ContextMeant(const ConfigOptions& options, const ConfigFile& file) {
  const std::string& name = options.context.empty() ? file.current() : options.context;
  if (name.empty()) {
    return Status(
        StatusCode::kInvalidArgument,
        "which context? say --context NAME, or choose one with farlane config use-context");
  }
  if (!IsContextName(name)) {
    return Status(
        StatusCode::kInvalidArgument,
        "a context's name is made of letters, digits, '.', '_' and '-', not \"" + name + "\"");
  }
  return name;
}

Status Set(const ConfigOptions& options, ConfigFile* file) {
  const std::string& key = options.words[0];
  FARLANE_ASSIGN(const std::string context, ContextMeant(options, *file));
  if (FindContextWord(key) == nullptr) {
    return Status(StatusCode::kInvalidArgument,
                  "there is no setting \"" + key + "\" (farlane config --help lists them)");
  }
  FARLANE_TRY(file->Set(context, key, options.words[1]));
  // The first one there is need not be chosen as well.
  return file->current().empty() ? file->SetCurrent(context) : Status::Ok();
}

Status Unset(const ConfigOptions& options, ConfigFile* file) {
  FARLANE_ASSIGN(const std::string context, ContextMeant(options, *file));
  FARLANE_ASSIGN(const bool was_there, file->Unset(context, options.words[0]));
  return was_there ? Status::Ok()
                   : Status(StatusCode::kNotFound,
                            "context " + context + " says nothing of \"" + options.words[0] + "\"");
}

Status Delete(const ConfigOptions& options, ConfigFile* file) {
  FARLANE_ASSIGN(const bool was_there, file->Remove(options.words[0]));
  return was_there ? Status::Ok() : NoContext(*file, options.words[0]);
}

Status Use(const ConfigOptions& options, ConfigFile* file) {
  if (file->Find(options.words[0]) == nullptr) {
    return NoContext(*file, options.words[0]);
  }
  return file->SetCurrent(options.words[0]);
}

struct Topic {
  const char* name;
  size_t words;
  const char* usage;
  Status (*change)(const ConfigOptions& options, ConfigFile* file);  // null: it changes nothing
};

constexpr Topic kTopics[] = {
    {"view", 0, "", nullptr},          {"contexts", 0, "", nullptr},
    {"use-context", 1, " NAME", &Use}, {"set", 2, " SETTING VALUE", &Set},
    {"unset", 1, " SETTING", &Unset},  {"delete-context", 1, " NAME", &Delete},
};

int Act(const ConfigOptions& options) {
  const Topic& topic = *std::find_if(std::begin(kTopics), std::end(kTopics),
                                     [&](const Topic& one) { return one.name == options.topic; });
  if (options.words.size() != topic.words) {
    return Fail(Status(StatusCode::kInvalidArgument,
                       "it is: farlane config " + options.topic + topic.usage));
  }
  if (options.topic == "view") {
    return View(options);
  }
  Result<ConfigFile> file = ConfigFile::Read(UserConfigPath());
  if (!file.ok()) {
    return Fail(file.error());
  }
  if (topic.change == nullptr) {
    return ListContexts(options, file.value());
  }
  Status status = topic.change(options, &file.value());
  status = status.ok() ? file.value().Write() : status;
  if (!status.ok()) {
    const int code = Fail(status);
    return status.code() == StatusCode::kNotFound ? kExitNoSuch : code;
  }
  return 0;
}

// The settings, as the help lists them.
std::string SettingsText() {
  std::string text = "Settings of a context, and the variable that means the same:\n";
  for (const ContextWord& word : ContextWords()) {
    char line[160];
    snprintf(line, sizeof line, "  %-16s %-26s %s\n", word.name, word.variable, word.what);
    text += line;
  }
  return text;
}

}  // namespace

Verb AddConfig(CLI::App& root) {
  auto options = std::make_shared<ConfigOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("config", "Keep under a name which pool is meant, and how");
  app->formatter(std::make_shared<HelpFormat>(
      "view|contexts|use-context|set|unset|delete-context [OPTIONS] [WORDS]"));
  std::vector<std::string> topics;
  for (const Topic& topic : kTopics) {
    topics.emplace_back(topic.name);
  }
  app->add_option("topic", options->topic,
                  "\"view\", \"contexts\", \"use-context\", \"set\", \"unset\" or "
                  "\"delete-context\"")
      ->required()
      ->check(CLI::IsMember(topics))
      ->type_name("");
  app->add_option("words", options->words, "a context's name, or a setting and its value")
      ->expected(0, 2)
      ->type_name("");
  app->add_option("--context", options->context,
                  "of view, set and unset: which one [the current one]")
      ->type_name("NAME");
  AddOutputWish(app, &options->output);
  app->footer(
      "The file is $FARLANE_CONFIG, or ~/.config/farlane/config.yaml; what is not in there may be "
      "in\n"
      "/etc/farlane/client.yaml. The command line comes before the environment, and that before "
      "the\n"
      "context. Who names a pool or a server on the line or in the environment gets nothing of a\n"
      "context that goes with its address: no token, no project. \"view\" says what counts, and\n"
      "why.\n\n" +
      SettingsText() +
      "\nExit code: 0 done, 3 there is no such context, 125 the file cannot be understood.\n\n"
      "Examples:\n"
      "  farlane config set --context lab pool gpus:7443\n"
      "  farlane config set --context lab project vision\n"
      "  farlane config use-context lab\n"
      "  farlane config view");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
