// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/caretaker.h"

#include <unistd.h>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/forked_child.h"
#include "gpu-server/daemon/sandbox.h"
#include "gpu-server/driver/health_library.h"

namespace farlane::server {
namespace {

constexpr uint32_t kLookEveryMs = 1000;

}  // namespace

void RunCaretaker(Fd inherited, pid_t daemon, const std::string& library) {
  const Fd control = BecomeChild(std::move(inherited), daemon, "gpud-caretaker");
  const Result<std::unique_ptr<HealthLibrary>> loaded = HealthLibrary::Load(library);
  const Status ready = loaded.ok() ? EnterSandbox() : loaded.error();
  if (!ready.ok()) {
    SendRecord(control.get(), {.kind = ControlRecord::Kind::kFailed, .tail = ready.message()},
               true);
    _exit(1);
  }
  std::string told;
  while (true) {
    std::string found = nvml::PackReport((*loaded)->Look());
    if (found != told) {
      if (!SendRecord(control.get(), {.kind = ControlRecord::Kind::kHealth, .tail = found}, true)) {
        _exit(0);  // the daemon is gone
      }
      told = std::move(found);
    }
    (*loaded)->Wait(kLookEveryMs);
  }
}

}  // namespace farlane::server
