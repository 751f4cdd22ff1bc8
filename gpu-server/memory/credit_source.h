// SPDX-License-Identifier: Apache-2.0
// CreditSource is the one door through which a worker gets device memory: whatever makes the driver
// take some for a client asks here first. Behind it is the daemon's ledger.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "gpu-server/memory/ledger.h"

namespace farlane::server {

class CreditSource;

// Bytes that the ledger counts as this worker's, until this is destroyed.
// Thread: caller's.
class Reservation {
 public:
  Reservation() = default;

  Reservation(CreditSource* source, size_t device, uint64_t bytes)
      : source_(source), device_(device), bytes_(bytes) {}

  Reservation(Reservation&& other) noexcept
      : source_(std::exchange(other.source_, nullptr)),
        device_(other.device_),
        bytes_(std::exchange(other.bytes_, 0)) {}

  Reservation& operator=(Reservation&& other) noexcept;

  ~Reservation() { ShrinkTo(0); }

  uint64_t bytes() const { return bytes_; }

  // Takes over what another reservation on the same device holds.
  void Absorb(Reservation other);
  // Gives back all but so many bytes.
  void ShrinkTo(uint64_t bytes);

 private:
  CreditSource* source_ = nullptr;
  size_t device_ = 0;
  uint64_t bytes_ = 0;
};

// Thread: any. Lives longer than its reservations.
class CreditSource {
 public:
  // An empty reservation says no.
  using Granted = std::function<void(Reservation)>;
  using Told = std::function<void(MemoryFigures)>;

  virtual ~CreditSource() = default;

  // For whom memory is asked: for addresses that the client gives out, who would have used what it
  // has free; for something else of its own, for which it can give that back; or for later, where
  // nobody need be asked for it.
  enum class Purpose : uint8_t { kCredit, kObject, kSpare };

  // Asks for `bytes` of a device. `granted` is called once, perhaps before this returns, on any
  // thread: it may wait for others to give back what they do not use.
  virtual void Ask(size_t device, uint64_t bytes, Purpose purpose, Granted granted) = 0;
  // How much is left, by way of the same door, so that it counts all that was asked before.
  virtual void AskFigures(size_t device, Told told) = 0;
  // How much of all that was granted is not in use now, and could be asked back.
  virtual void NoteIdle(size_t device, uint64_t bytes) = 0;
  // The end of a recall: what could be given back has been, so many bytes, when the client had
  // counted so many `frees` (see wire::CreditReturn).
  virtual void FinishRecall(uint64_t recall, uint64_t bytes, uint32_t frees) = 0;

 private:
  friend class Reservation;

  virtual void Return(size_t device, uint64_t bytes) = 0;
};

}  // namespace farlane::server
