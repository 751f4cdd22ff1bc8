// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/caretaker_link.h"

#include "gpu-server/daemon/caretaker.h"
#include "gpu-server/daemon/control_record.h"
#include "protocol/base/log.h"

namespace farlane::server {

using Kind = ControlRecord::Kind;

void CaretakerLink::Start(std::string library, uint64_t now_ns) {
  started_ns_ = now_ns;
  const Status status = caretaker_.Start([library = std::move(library)](Fd link, pid_t daemon) {
    RunCaretaker(std::move(link), daemon, library);
  });
  if (!status.ok()) {
    LogWarn("%s", status.message().c_str());
  }
}

void CaretakerLink::Hear(uint64_t now_ns) {
  caretaker_.Hear(
      [this](const ControlRecord& record) {
        settled_ = true;
        if (record.kind == Kind::kFailed) {
          LogInfo("the health of the devices is not known: %s", record.tail.c_str());
          health_ = {};
          caretaker_.GiveUp();  // what is not there does not come by itself
        } else if (nvml::Report health;
                   record.kind == Kind::kHealth && nvml::UnpackReport(record.tail, &health)) {
          health_ = std::move(health);
          ++looks_;
        }
      },
      [this] {
        settled_ = true;
        health_ = {};
      },
      now_ns);
}

}  // namespace farlane::server
