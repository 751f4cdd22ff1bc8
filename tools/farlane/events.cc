// SPDX-License-Identifier: Apache-2.0
// farlane events: what has happened to the devices of this machine's server, and which of them are
// sick.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include "protocol/base/log.h"
#include "protocol/control/service_client.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/json.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/session_client.h"
#include "tools/farlane/session_report.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using control::RecordKind;
using control::ServiceRecord;
using control::TextOf;

struct EventsOptions {
  std::string service;
  std::string format;
  bool watch = false;
};

// "2026-11-23T10:41:07Z"
std::string TimeText(uint64_t at_ms) {
  const auto seconds = static_cast<time_t>(at_ms / 1000);
  tm parts{};
  char text[32] = "";
  if (gmtime_r(&seconds, &parts) == nullptr ||
      strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    return "?";
  }
  return text;
}

const char* SeverityOf(const ServiceRecord& event) {
  return control::SeverityName(static_cast<control::Severity>(event.priority));
}

std::string EventJson(const ServiceRecord& event) {
  return JsonObject()
      .Number("number", event.turns)
      .Text("time", TimeText(event.age_ms))
      .Number("gpu", event.number)
      .Text("uuid", TextOf(event.program))
      .Text("severity", SeverityOf(event))
      .Text("reason", TextOf(event.text))
      .str();
}

std::string EventLine(const ServiceRecord& event) {
  char line[256];
  snprintf(line, sizeof line, "%s  gpu %u  %-8s  %s\n", TimeText(event.age_ms).c_str(),
           event.number, SeverityOf(event), TextOf(event.text).c_str());
  return line;
}

std::string DeviceJson(const ServiceRecord& device) {
  return JsonObject()
      .Number("gpu", device.number)
      .Text("uuid", TextOf(device.program))
      .Bool("sick", device.process != 0)
      .Text("reason", TextOf(device.text))
      .str();
}

// The events that came after `seen`, and, once, the devices.
void Print(const EventsOptions& options, const SessionRecords& records, uint64_t* seen, bool once) {
  const bool json = options.format == "json";
  std::vector<std::string> events;
  std::vector<std::string> devices;
  std::string sick;
  for (const ServiceRecord& record : records) {
    if (record.kind == RecordKind::kEvent && record.turns > *seen) {
      *seen = record.turns;
      events.push_back(json ? EventJson(record) : EventLine(record));
    } else if (record.kind == RecordKind::kHealth) {
      devices.push_back(DeviceJson(record));
      sick += record.process == 0 ? ""
                                  : "gpu " + std::to_string(record.number) +
                                        " gets no new sessions: " + TextOf(record.text) + "\n";
    }
  }
  if (json && once) {
    printf("%s\n", JsonObject()
                       .Raw("events", JsonList(events))
                       .Raw("devices", JsonList(devices))
                       .str()
                       .c_str());
    return;
  }
  for (const std::string& event : events) {
    printf("%s%s", event.c_str(), json ? "\n" : "");
  }
  fputs(once ? sick.c_str() : "", stdout);
  fflush(stdout);
}

int Act(const EventsOptions& options) {
  const std::string service = ServiceAddress(options.service);
  uint64_t seen = 0;
  do {
    const Result<SessionRecords> records = control::AskService(
        service, control::MakeServiceRequest(control::ServiceVerb::kEvents, ""));
    if (!records.ok()) {
      return FailAsking(records.error());
    }
    if (const std::string problem = TextOf(records.value().back().text); !problem.empty()) {
      LogError("%s: %s", service.c_str(), problem.c_str());
      return kExitFarlane;
    }
    Print(options, records.value(), &seen, !options.watch);
    if (options.watch) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  } while (options.watch);
  return 0;
}

}  // namespace

Verb AddEvents(CLI::App& root) {
  auto options = std::make_shared<EventsOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("events", "What has happened to a server's devices");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS]"));
  AddControlOption(app, &options->service);
  app->add_flag("-w,--watch", options->watch, "go on, and print each new one when it comes");
  AddOutputFormat(app, &options->format);
  app->footer(
      "The server is a farlane-gpud on this machine that was started with --control. It keeps the\n"
      "last 512 events: errors of the hardware (XID), memory errors that were not corrected,\n"
      "heat, power, devices that the driver has lost. A device that is sick gets no new sessions.\n"
      "\n"
      "Exit code: 0 if the server has answered, 125 if not.\n\n"
      "Examples:\n"
      "  farlane events\n"
      "  farlane events --watch -o json --control unix:/run/user/1000/gpud.sock");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
