// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/daemon_link.h"

#include <thread>

#include "protocol/base/log.h"

namespace farlane::server {

using Kind = ControlRecord::Kind;

std::vector<Reservation> DaemonLink::TakeFirst(const Grant& grant) {
  std::vector<Reservation> first;
  for (size_t i = 0; i < grant.first_bytes.size(); ++i) {
    first.emplace_back(this, i, grant.first_bytes[i]);
  }
  return first;
}

void DaemonLink::Listen(Recall recall) {
  recall_ = std::move(recall);
  std::thread([this] {
    ControlRecord record;
    while (ReceiveRecord(control_, &record, true) == Received::kRecord) {
      Hear(record);
    }
    Gone();
  }).detach();
}

void DaemonLink::Hear(const ControlRecord& record) {
  if (record.kind == Kind::kRecall) {
    recall_(record.device, record.bytes, record.id);
    return;
  }
  std::pair<size_t, Granted> asker;
  Told told;
  asked_.With([&](Asked& asked) {
    if (const auto found = asked.memory.find(record.id);
        record.kind == Kind::kGranted && found != asked.memory.end()) {
      asker = std::move(found->second);
      asked.memory.erase(found);
    }
    if (const auto found = asked.figures.find(record.id);
        record.kind == Kind::kFigures && found != asked.figures.end()) {
      told = std::move(found->second);
      asked.figures.erase(found);
    }
  });
  if (asker.second != nullptr) {
    asker.second(Reservation(this, asker.first, record.bytes));
  }
  if (told != nullptr) {
    told({.free_bytes = record.bytes, .total_bytes = record.total});
  }
}

// Without the ledger nobody may have more; everybody keeps what they have.
void DaemonLink::Gone() {
  Asked last;
  asked_.With([&last](Asked& asked) {
    asked.gone = true;
    std::swap(last.memory, asked.memory);
    std::swap(last.figures, asked.figures);
  });
  for (auto& [id, asker] : last.memory) {
    asker.second(Reservation());
  }
  for (auto& [id, told] : last.figures) {
    told({});
  }
}

void DaemonLink::Ask(size_t device, uint64_t bytes, Granted granted) {
  uint64_t id = 0;
  asked_.With([&](Asked& asked) {
    if (!asked.gone) {
      id = asked.next++;
      asked.memory[id] = {device, std::move(granted)};
    }
  });
  if (id == 0) {
    granted(Reservation());
    return;
  }
  // A daemon that does not take it is gone, and Gone answers.
  SendRecord(
      control_,
      {.kind = Kind::kAsk, .device = static_cast<uint32_t>(device), .id = id, .bytes = bytes},
      true);
}

void DaemonLink::AskFigures(size_t device, Told told) {
  uint64_t id = 0;
  asked_.With([&](Asked& asked) {
    if (!asked.gone) {
      id = asked.next++;
      asked.figures[id] = std::move(told);
    }
  });
  if (id == 0) {
    told({});
    return;
  }
  SendRecord(control_,
             {.kind = Kind::kAskFigures, .device = static_cast<uint32_t>(device), .id = id}, true);
}

void DaemonLink::NoteIdle(size_t device, uint64_t bytes) {
  SendRecord(control_,
             {.kind = Kind::kIdle, .device = static_cast<uint32_t>(device), .bytes = bytes}, true);
}

void DaemonLink::FinishRecall(uint64_t recall) {
  SendRecord(control_, {.kind = Kind::kRecalled, .id = recall}, true);
}

void DaemonLink::Return(size_t device, uint64_t bytes) {
  SendRecord(control_,
             {.kind = Kind::kReturn, .device = static_cast<uint32_t>(device), .bytes = bytes},
             true);
}

}  // namespace farlane::server
