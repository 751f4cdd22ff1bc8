// SPDX-License-Identifier: Apache-2.0
// DaemonLink is a worker's conversation with the daemon while it serves a client: it asks the
// daemon's ledger for memory and hears when others need some back.
#pragma once

#include <functional>
#include <map>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/memory/credit_source.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any. One thread of its own listens, once started; callbacks run there.
class DaemonLink final : public CreditSource {
 public:
  // Others need up to `bytes` of a device; the answer is FinishRecall.
  using Recall = std::function<void(size_t device, uint64_t bytes, uint64_t recall)>;

  // The control socket stays the caller's, and stays open for as long as the process lives.
  explicit DaemonLink(int control) : control_(control) {}

  // The first credit, which came along with the client.
  std::vector<Reservation> TakeFirst(const Grant& grant);

  // From now on answers are heard. The link must outlive the process's use of it: the thread never
  // ends.
  void Listen(Recall recall);

  // CreditSource
  void Ask(size_t device, uint64_t bytes, Granted granted) override;
  void AskFigures(size_t device, Told told) override;
  void NoteIdle(size_t device, uint64_t bytes) override;
  void FinishRecall(uint64_t recall) override;

 private:
  struct Asked {
    std::map<uint64_t, std::pair<size_t, Granted>> memory;
    std::map<uint64_t, Told> figures;
    uint64_t next = 1;
    bool gone = false;  // the daemon is: nobody answers any more
  };

  void Return(size_t device, uint64_t bytes) override;
  void Hear(const ControlRecord& record);
  void Gone();

  const int control_;
  Recall recall_;
  Guarded<Asked> asked_;
};

}  // namespace farlane::server
