// SPDX-License-Identifier: Apache-2.0
// OnLoss is what `farlane run` does when the GPU server of a command is lost: nothing, or the
// command is run again, at once elsewhere or when its server is back. The client library notes the
// loss (LossNote); what the command ends with alone would not tell it from a failure of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "tools/farlane/child_process.h"
#include "tools/farlane/installation.h"

namespace farlane::cli {

struct OnLoss {
  enum class Kind : uint8_t { kFail, kRequeue, kWait };

  // A command whose servers are lost more often than this is not run again.
  static constexpr uint32_t kRunsMost = 10;
  // So long a server that has gone is waited for: then the pool has given it up, too.
  static constexpr uint32_t kWaitSeconds = 60;

  Kind kind = Kind::kFail;
  uint32_t wait_seconds = kWaitSeconds;  // of kWait

  // "fail", "requeue", "wait", "wait=30s".
  static Result<OnLoss> Parse(const std::string& text);
};

// What the processes of a command write to when they lose their server: a file without a name.
// Thread: main.
class LossNote {
 public:
  static Result<LossNote> Make();

  // For the command's environment.
  Setting setting() const;

  // Since Clear.
  bool IsWritten() const;
  void Clear();

 private:
  explicit LossNote(Fd file) : file_(std::move(file)) {}

  Fd file_;
};

// What the pool says of a session that was lost.
struct LostSession {
  bool meant = false;  // it was ended on purpose: it is not to begin again
  // Where it was, all of them; none: nobody knows.
  std::vector<std::string> servers{};
  std::string why;  // of how it is, for people
};

LostSession AskAboutLost(const Installation& installation,
                         const std::string& pool,
                         const std::string& id);

// Until these servers can be had again; false: one could not within `seconds`.
bool AwaitServers(const Installation& installation,
                  const std::string& pool,
                  const std::vector<std::string>& servers,
                  uint32_t seconds);

}  // namespace farlane::cli
