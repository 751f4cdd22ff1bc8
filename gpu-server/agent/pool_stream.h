// SPDX-License-Identifier: Apache-2.0
// PoolStream is the server's end of its conversation with the pool's manager: it says what the
// server is and how it is, and hears what is to be done. It comes back by itself, for as long as it
// takes; nothing of the server's waits for it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpu-server/agent/pool_trust.h"
#include "gpu-server/agent/report_pace.h"
#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"
#include "protocol/base/result.h"
#include "protocol/control/pool.grpc.pb.h"

namespace farlane::agent {

// Thread: Run in one of its own; the rest from any.
class PoolStream {
 public:
  struct Ears {
    // What to say; fails while the server does not answer.
    std::function<Result<pool::v1::Inventory>()> inventory;
    std::function<Result<pool::v1::Load>()> load;
    // What the manager has said. An empty text, or what went wrong; if it did with the welcome,
    // this manager is not listened to.
    std::function<std::string(const pool::v1::ToServer& said)> hear;
  };

  // `pool`: HOST:PORT of its managers, with commas between them; one of them leads.
  static Result<std::unique_ptr<PoolStream>> Make(const std::string& pool,
                                                  std::unique_ptr<PoolTrust> trust,
                                                  Ears ears);

  // Until End.
  void Run();
  void End();

 private:
  using Wire = grpc::ClientReaderWriterInterface<pool::v1::FromServer, pool::v1::ToServer>;

  PoolStream(std::vector<std::string> managers,
             std::unique_ptr<PoolTrust> trust,
             Ears ears,
             Fd bell)
      : managers_(std::move(managers)),
        trust_(std::move(trust)),
        ears_(std::move(ears)),
        bell_(std::move(bell)) {}

  // One conversation with one of the managers; why it has ended.
  Status Attend(const std::string& manager);
  void Read(Wire& wire);
  bool Report(Wire& wire);
  bool WriteAnswers(Wire& wire);
  void Ring();
  void AwaitRing(uint64_t timeout_ns);

  const std::vector<std::string> managers_;
  const std::unique_ptr<PoolTrust> trust_;  // Run's
  const Ears ears_;
  const Fd bell_;
  std::atomic<bool> ends_{false};
  std::atomic<bool> closed_{false};          // the manager has ended the stream
  std::atomic<bool> is_welcome_{false};      // what the manager says first was heard
  std::atomic<bool> is_turned_from_{false};  // ... and it is not to be listened to
  Guarded<ReportPace> pace_;
  Guarded<std::vector<pool::v1::FromServer>> answers_;
  Guarded<std::weak_ptr<grpc::ClientContext>> context_;
};

}  // namespace farlane::agent
