// SPDX-License-Identifier: Apache-2.0
// farlane session: who uses the GPUs of this machine's server, and the end of a session.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "protocol/base/environment.h"
#include "protocol/base/log.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/json.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/session_client.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using control::RecordKind;
using control::ServiceRecord;
using control::TextOf;

using Records = std::vector<ServiceRecord>;

struct SessionOptions {
  std::string topic;
  std::string name;
  std::string service;
  std::string format;
  bool json = false;
};

std::string MebibytesOf(uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

std::string ClientJson(const ServiceRecord& client) {
  return JsonObject()
      .Text("program", TextOf(client.program))
      .Text("host", TextOf(client.host))
      .Number("process", client.process)
      .Number("worker", client.number)
      .Number("age_ms", client.age_ms)
      .Number("memory_bytes", client.taken_bytes)
      .str();
}

std::string MemoryJson(const ServiceRecord& memory) {
  return JsonObject()
      .Number("device", memory.number)
      .Number("taken_bytes", memory.taken_bytes)
      .Number("limit_bytes", memory.limit_bytes)
      .str();
}

// The records of one session, from its own to the next one's.
std::string SessionJson(Records::const_iterator* at) {
  const ServiceRecord& session = **at;
  std::vector<std::string> memory;
  std::vector<std::string> clients;
  for (++*at; (*at)->kind == RecordKind::kMemory || (*at)->kind == RecordKind::kClient; ++*at) {
    if ((*at)->kind == RecordKind::kMemory) {
      memory.push_back(MemoryJson(**at));
    } else {
      clients.push_back(ClientJson(**at));
    }
  }
  return JsonObject()
      .Text("id", TextOf(session.session))
      .Number("age_ms", session.age_ms)
      .Raw("memory", JsonList(memory))
      .Raw("clients", JsonList(clients))
      .str();
}

void PrintJson(const Records& records) {
  std::vector<std::string> sessions;
  // The answer ends with a record that is of no session.
  for (auto at = records.begin(); at != records.end();) {
    if (at->kind == RecordKind::kSession) {
      sessions.push_back(SessionJson(&at));
    } else {
      ++at;
    }
  }
  printf("%s\n", JsonObject().Raw("sessions", JsonList(sessions)).str().c_str());
}

void PrintText(const Records& records) {
  for (const ServiceRecord& record : records) {
    switch (record.kind) {
      case RecordKind::kSession:
        printf("session %s, for %llu s\n", TextOf(record.session).c_str(),
               static_cast<unsigned long long>(record.age_ms / 1000));
        break;
      case RecordKind::kMemory:
        printf("  device %u  %s of %s\n", record.number, MebibytesOf(record.taken_bytes).c_str(),
               MebibytesOf(record.limit_bytes).c_str());
        break;
      case RecordKind::kClient:
        printf("  %s (pid %u on %s), worker %u, for %llu s, %s\n", TextOf(record.program).c_str(),
               record.process, TextOf(record.host).c_str(), record.number,
               static_cast<unsigned long long>(record.age_ms / 1000),
               MebibytesOf(record.taken_bytes).c_str());
        break;
      case RecordKind::kEnd:
        break;
    }
  }
}

int List(const SessionOptions& options, const Records& records) {
  if (options.json || options.format == "json") {
    PrintJson(records);
  } else {
    PrintText(records);
  }
  return 0;
}

int Kill(const SessionOptions& options, const Records& records) {
  const ServiceRecord& end = records.back();
  const std::string problem = TextOf(end.text);
  if (options.json || options.format == "json") {
    printf("%s\n",
           JsonObject().Number("clients_ended", end.number).Text("problem", problem).str().c_str());
  } else if (problem.empty()) {
    printf("ended %u client%s\n", end.number, end.number == 1 ? "" : "s");
  }
  if (!problem.empty()) {
    LogError("%s: %s", options.name.c_str(), problem.c_str());
  }
  return problem.empty() ? 0 : 1;
}

int Act(const SessionOptions& options) {
  const bool kill = options.topic == "kill";
  if (kill == options.name.empty()) {
    LogError(kill ? "which session? farlane session list shows their names"
                  : "farlane session list takes no name");
    return kExitFarlane;
  }
  const std::string service =
      options.service.empty() ? Environment("FARLANE_CONTROL").value_or(control::kDefaultService)
                              : options.service;
  const Result<Records> records = AskService(
      service, control::MakeServiceRequest(
                   kill ? control::ServiceVerb::kKill : control::ServiceVerb::kList, options.name));
  if (!records.ok()) {
    LogError("%s (farlane-gpud answers at the address of its option --control)",
             records.error().message().c_str());
    return kExitFarlane;
  }
  return kill ? Kill(options, records.value()) : List(options, records.value());
}

}  // namespace

Verb AddSession(CLI::App& root) {
  auto options = std::make_shared<SessionOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("session", "List or end the sessions of a GPU server here");
  app->formatter(std::make_shared<HelpFormat>("list|kill [OPTIONS] [NAME]"));
  app->add_option("topic", options->topic, "\"list\" or \"kill\"")
      ->required()
      ->check(CLI::IsMember({"list", "kill"}))
      ->type_name("");
  app->add_option("name", options->name, "of kill: the session, or the beginning of its name")
      ->type_name("");
  app->add_option("--control", options->service,
                  "where the server answers (default: FARLANE_CONTROL, else "
                  "unix:/run/farlane/gpud.sock)")
      ->type_name("ADDRESS");
  AddOutputFormat(app, &options->format);
  app->add_flag("--json", options->json, "the same as -o json");
  app->footer(
      "The server is a farlane-gpud on this machine that was started with --control. It answers "
      "its\n"
      "own user and root.\n\n"
      "Exit code: 0 if it was done, 1 if there is no such session, 125 if the server did not "
      "answer.\n\n"
      "Examples:\n"
      "  farlane session list\n"
      "  farlane session list --json --control unix:/run/user/1000/gpud.sock\n"
      "  farlane session kill 3f2a");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
