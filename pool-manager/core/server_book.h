// SPDX-License-Identifier: Apache-2.0
// ServerBook is the GPU servers of a pool as the manager sees them now: what they are, how they
// are, and since when nothing was heard. It is soft state: it is made anew from what servers say,
// and no part of it is ever stored, but that a server is not to get anything new.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// Thread: caller's.
class ServerBook {
 public:
  // A server that says nothing for so long gets nothing new, is not known to live, and is gone. One
  // that has announced its next report for later has so much more time.
  static constexpr uint64_t kSuspectNs = 6'000'000'000;
  static constexpr uint64_t kUnreachableNs = 10'000'000'000;
  static constexpr uint64_t kLostNs = 60'000'000'000;

  // For no longer than this: who announces more is not believed.
  static constexpr uint32_t kNextMsMax = 120'000;
  // In what it reports; more are not taken.
  static constexpr int kSessionsMax = 8192;

  struct Entry {
    v1::Inventory inventory;
    v1::Load load;             // all of it, by its last report
    bool has_report = false;   // since it attached
    uint64_t patience_ns = 0;  // that it has beyond the usual
    uint64_t heard_ns = 0;
    uint64_t attachment = 0;  // by which its stream is named; 0: there is none
    v1::ServerState state = v1::READY;
    int64_t since_ms = 0;
    bool cordoned = false;
    bool expelled = false;  // it stays lost
    std::string reason{};
  };

  using Map = std::map<std::string, Entry>;  // by server_id

  // One has come, or come back; it is ready when it is heard for the first time. Its former stream,
  // if it had one, counts no more. An empty text, or why it cannot be in this pool.
  std::string Attach(const v1::Inventory& inventory,
                     uint64_t attachment,
                     uint64_t now_ns,
                     int64_t now_ms);
  // Of the stream that counts; false: another does.
  bool Hear(const std::string& id,
            uint64_t attachment,
            const v1::Load& load,
            uint64_t now_ns,
            int64_t now_ms);
  void Detach(const std::string& id, uint64_t attachment, int64_t now_ms);

  // It is lost, for good, unless it attaches again. The stream that it had; 0: none.
  uint64_t Expel(const std::string& id, const std::string& why, int64_t now_ms);

  // Notes who was silent for long; the servers that are lost now and were not before.
  std::vector<std::string> Look(uint64_t now_ns, int64_t now_ms);

  // By name or id; null: there is none.
  Entry* Find(const std::string& name);
  const Entry* Find(const std::string& name) const;

  const Map& servers() const { return servers_; }

 private:
  static void Move(Entry* entry, v1::ServerState state, const std::string& why, int64_t now_ms);

  Map servers_;
};

}  // namespace farlane::pool
