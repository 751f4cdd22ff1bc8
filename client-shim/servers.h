// SPDX-License-Identifier: Apache-2.0
// Servers are a program's conversations with all of its GPU servers. Its devices are numbered
// through: those of the first server come first. Every object belongs to one of them, and its
// handle says to which.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client-shim/session.h"

namespace farlane::shim {

// Thread: any; immutable once connected.
class Servers {
 public:
  // `list` is what FARLANE_SERVER says: addresses with commas between them. A server of which no
  // device is visible is left at once.
  static Result<Servers> Connect(const std::string& list, const Config& config);

  // A session that somebody else has made.
  explicit Servers(std::unique_ptr<Session> only);

  const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }

  std::vector<std::unique_ptr<Session>> Take() { return std::move(sessions_); }

  // Null for a number that none has.
  Session* Numbered(uint32_t number) const;
  // Null for a device that there is not.
  Session* OfDevice(int32_t device) const;
  // Whose device memory, or pinned memory, lies at an address; null for nobody's.
  Session* OfAddress(uint64_t address) const;
  static bool Has(Session& session, uint64_t address);

  // The driver of `owner` has put something at these addresses. False if memory of another server
  // is there; from now on none comes there.
  bool KeepClear(const Session& owner, AddressRange range) const;

  int32_t devices_count() const;
  // What all of them can.
  int32_t driver_version() const;

 private:
  Servers() = default;
  Status Settle(const Config& config);
  void Separate();
  bool TakeChunk(const Session& owner, uint64_t chunk) const;
  void CloseAll();

  std::vector<std::unique_ptr<Session>> sessions_;  // in the order of their devices
};

}  // namespace farlane::shim
