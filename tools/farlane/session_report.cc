// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/session_report.h"

#include <algorithm>
#include <cstdio>

#include "protocol/base/net_rate.h"
#include "protocol/base/slice.h"
#include "tools/farlane/json.h"

namespace farlane::cli {
namespace {

using control::RecordKind;
using control::ServiceRecord;
using control::TextOf;

constexpr double kNsPerSecond = 1e9;
constexpr size_t kNameShown = 8;

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char line[512];
  snprintf(line, sizeof line, format, values...);
  return line;
}

// Nothing asked for, or a part of a GPU.
std::string AskedText(uint32_t share) {
  return share == 0 ? "-" : ShareText(share);
}

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

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

std::string TimeJson(const ServiceRecord& time) {
  return JsonObject()
      .Number("device", time.number)
      .Number("used_ns", time.used_ns)
      .Number("clock_ns", time.clock_ns)
      .Number("held_ns", time.held_ns)
      .Number("holds", time.holds)
      .Number("turns", time.turns)
      .Number("ahead_max", time.ahead_max)
      .str();
}

std::string NetJson(const ServiceRecord& net) {
  return JsonObject()
      .Number("in_bytes", net.taken_bytes)
      .Number("out_bytes", net.limit_bytes)
      .str();
}

bool IsOfSession(const ServiceRecord& record) {
  return record.kind == RecordKind::kMemory || record.kind == RecordKind::kClient ||
         record.kind == RecordKind::kTime || record.kind == RecordKind::kNet;
}

// The records of one session, from its own to the next one's.
std::string SessionJson(SessionRecords::const_iterator* at) {
  const ServiceRecord& session = **at;
  std::vector<std::string> gpus;
  std::vector<std::string> memory;
  std::vector<std::string> clients;
  std::vector<std::string> time;
  std::string net = NetJson({});
  for (++*at; IsOfSession(**at); ++*at) {
    if ((*at)->kind == RecordKind::kNet) {
      net = NetJson(**at);
    } else if ((*at)->kind == RecordKind::kMemory) {
      gpus.push_back(std::to_string((*at)->number));
      memory.push_back(MemoryJson(**at));
    } else if ((*at)->kind == RecordKind::kTime) {
      time.push_back(TimeJson(**at));
    } else {
      clients.push_back(ClientJson(**at));
    }
  }
  return JsonObject()
      .Text("id", TextOf(session.session))
      .Number("age_ms", session.age_ms)
      .Raw("share", ShareText(session.share))
      .Raw("share_min", ShareText(session.process))
      .Raw("share_max", ShareText(session.share_max == 0 ? session.process : session.share_max))
      .Raw("share_limit", ShareText(session.share_limit))
      .Text("priority", PriorityName(static_cast<Priority>(session.priority)))
      .Text("isolation", IsolationName(static_cast<Isolation>(session.isolation)))
      .Raw("gpus", JsonList(gpus))
      .Number("net_limit_bytes", session.net_limit == 0 || session.net_limit == kNetRateNone
                                     ? 0
                                     : NetRateBytes(session.net_limit))
      .Raw("net", net)
      .Raw("memory", JsonList(memory))
      .Raw("time", JsonList(time))
      .Raw("clients", JsonList(clients))
      .str();
}

std::string NetText(const ServiceRecord& net) {
  return "  network  " + MebibytesOf(net.taken_bytes) + " in, " + MebibytesOf(net.limit_bytes) +
         " out\n";
}

std::string TimeText(const ServiceRecord& time) {
  return Format("  device %u  %.3f s of GPU time in %.1f s (%.1f %%), %llu turns, waited %.3f s\n",
                time.number, static_cast<double>(time.used_ns) / kNsPerSecond,
                static_cast<double>(time.clock_ns) / kNsPerSecond,
                Percent(time.used_ns, time.clock_ns), static_cast<unsigned long long>(time.turns),
                static_cast<double>(time.held_ns) / kNsPerSecond);
}

std::string ClientText(const ServiceRecord& client) {
  return "  " + TextOf(client.program) + " (pid " + std::to_string(client.process) + " on " +
         TextOf(client.host) + "), worker " + std::to_string(client.number) + ", for " +
         std::to_string(client.age_ms / 1000) + " s, " + MebibytesOf(client.taken_bytes) + "\n";
}

// What it has asked for; which they are the lines below it say.
std::string GpusText(uint32_t gpus) {
  return gpus == 0 ? "all GPUs" : std::to_string(gpus) + (gpus == 1 ? " GPU" : " GPUs");
}

std::string SessionText(const ServiceRecord& session) {
  return "session " + TextOf(session.session) + ", for " + std::to_string(session.age_ms / 1000) +
         " s, " + PriorityName(static_cast<Priority>(session.priority)) + ", share " +
         AskedText(session.share) + ", limit " + AskedText(session.share_limit) + ", " +
         GpusText(session.number) + ", " +
         IsolationName(static_cast<Isolation>(session.isolation)) +
         (NetRateText(session.net_limit) == "-"
              ? ""
              : ", network limit " + NetRateText(session.net_limit)) +
         "\n";
}

const ServiceRecord* FindTime(const SessionRecords& records,
                              const std::string& session,
                              uint32_t device) {
  bool here = false;
  for (const ServiceRecord& record : records) {
    if (record.kind == RecordKind::kSession) {
      here = TextOf(record.session) == session;
    } else if (here && record.kind == RecordKind::kTime && record.number == device) {
      return &record;
    }
  }
  return nullptr;
}

uint64_t MemoryOf(SessionRecords::const_iterator at, uint32_t device) {
  for (++at; IsOfSession(*at); ++at) {
    if (at->kind == RecordKind::kMemory && at->number == device) {
      return at->taken_bytes;
    }
  }
  return 0;
}

}  // namespace

std::string SessionsJson(const SessionRecords& records) {
  std::vector<std::string> sessions;
  // The answer ends with a record that is of no session.
  for (auto at = records.begin(); at != records.end();) {
    if (at->kind == RecordKind::kSession) {
      sessions.push_back(SessionJson(&at));
    } else {
      ++at;
    }
  }
  return JsonObject().Raw("sessions", JsonList(sessions)).str() + "\n";
}

std::string SessionsText(const SessionRecords& records) {
  std::string text;
  for (const ServiceRecord& record : records) {
    if (record.kind == RecordKind::kSession) {
      text += SessionText(record);
    } else if (record.kind == RecordKind::kMemory) {
      text += "  device " + std::to_string(record.number) + "  " + MebibytesOf(record.taken_bytes) +
              " of " + MebibytesOf(record.limit_bytes) + "\n";
    } else if (record.kind == RecordKind::kTime && record.clock_ns != 0) {
      text += TimeText(record);
    } else if (record.kind == RecordKind::kNet && (record.taken_bytes | record.limit_bytes) != 0) {
      text += NetText(record);
    } else if (record.kind == RecordKind::kClient) {
      text += ClientText(record);
    }
  }
  return text;
}

std::string SessionsTop(const SessionRecords& before, const SessionRecords& now) {
  std::string text = Format("%-8s %-12s %6s %6s %4s %6s %6s %10s %10s\n", "SESSION", "PRIORITY",
                            "SHARE", "LIMIT", "GPU", "GOT%", "WAIT%", "GPU TIME", "MEMORY");
  for (auto at = now.begin(); at != now.end(); ++at) {
    if (at->kind != RecordKind::kSession) {
      continue;
    }
    const std::string name = TextOf(at->session);
    for (auto time = at + 1; IsOfSession(*time); ++time) {
      if (time->kind != RecordKind::kTime) {
        continue;
      }
      const ServiceRecord* const was = FindTime(before, name, time->number);
      const ServiceRecord none{};
      const ServiceRecord& since = was == nullptr ? none : *was;
      const uint64_t clock_ns = time->clock_ns - std::min(time->clock_ns, since.clock_ns);
      const uint64_t used_ns = time->used_ns - std::min(time->used_ns, since.used_ns);
      const uint64_t held_ns = time->held_ns - std::min(time->held_ns, since.held_ns);
      text += Format(
          "%-8s %-12s %6s %6s %4u %6.1f %6.1f %8.3f s %10s\n", name.substr(0, kNameShown).c_str(),
          PriorityName(static_cast<Priority>(at->priority)), AskedText(at->share).c_str(),
          AskedText(at->share_limit).c_str(), time->number, Percent(used_ns, clock_ns),
          Percent(held_ns, clock_ns), static_cast<double>(time->used_ns) / kNsPerSecond,
          MebibytesOf(MemoryOf(at, time->number)).c_str());
    }
  }
  return text;
}

}  // namespace farlane::cli
