// SPDX-License-Identifier: Apache-2.0
// StateStore keeps what the pool must not forget: keys with values, in one order that everybody
// sees. It has etcd's meaning, whatever is behind it: each transaction that changes something gets
// the next revision of one count for the whole store; a watcher sees every change once and in this
// order; a lease that is not kept alive takes its keys with it. Heartbeats do not belong in here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::pool {

// What a failure means for whoever called, by the code of its Status.
namespace store_error {
inline constexpr StatusCode kRetry = StatusCode::kUnavailable;  // nothing was done; later it may be
inline constexpr StatusCode kUnknown =
    StatusCode::kTimeout;  // it may have been done: read, then decide
inline constexpr StatusCode kFenced = StatusCode::kRefused;  // another leads now, or owns the store
inline constexpr StatusCode kCompacted =
    StatusCode::kMismatch;  // that revision is gone: list again
inline constexpr StatusCode kNoSpace =
    StatusCode::kExhausted;                                   // nothing was done; there is no room
inline constexpr StatusCode kCorrupt = StatusCode::kCorrupt;  // what is stored cannot be trusted
inline constexpr StatusCode kLeaseGone = StatusCode::kNotFound;  // it expired or was revoked
}  // namespace store_error

// Limits of every store, so that what one takes the other takes, too.
inline constexpr size_t kKeyBytesMax = 4096;
// etcd takes requests of 1.5 MiB; what is beside the keys and values of one must fit as well.
inline constexpr size_t kTransactionBytesMax = 1'500'000;
inline constexpr size_t kOperationsMax = 128;  // etcd's default for one transaction
inline constexpr int64_t kLeaseSecondsMax = 86'400;
inline constexpr size_t kPageItemsMax = 1000;
inline constexpr size_t kPageBytesMax = 4u << 20;  // a page ends after the item that reaches this

struct KeyValue {
  std::string key;
  std::string value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t lease = 0;  // 0: none

  bool operator==(const KeyValue&) const = default;
};

// A condition of a transaction. A key that is not there has both revisions 0 and no value: no
// comparison of values holds for it.
struct Compare {
  enum class Field : uint8_t { kCreateRevision, kModRevision, kValue };
  enum class Relation : uint8_t { kEqual, kNotEqual, kLess, kGreater };

  std::string key;
  Field field = Field::kCreateRevision;
  Relation relation = Relation::kEqual;
  int64_t revision = 0;
  std::string value;

  static Compare Absent(std::string key);
  static Compare Present(std::string key);
  static Compare CreatedAt(std::string key, int64_t revision);
  static Compare ModifiedAt(std::string key, int64_t revision);
  static Compare ValueIs(std::string key, std::string value);

  bool Holds(const std::optional<KeyValue>& found) const;
};

struct Operation {
  enum class Kind : uint8_t { kPut, kDelete };

  Kind kind = Kind::kPut;
  std::string key;
  std::string value;
  int64_t lease = 0;

  static Operation Put(std::string key, std::string value, int64_t lease = 0);
  static Operation Delete(std::string key);
};

// All operations, if every condition holds; else nothing. No key twice among the operations.
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Operation> operations;
};

struct TxnResult {
  bool committed = false;
  int64_t revision = 0;  // of the change; the store's when nothing was changed
};

struct RangeRequest {
  std::string prefix;    // empty: every key
  size_t limit = 0;      // 0, or more than kPageItemsMax: a full page
  std::string from_key;  // the first key that may be in the page; empty: the prefix's first
};

// Keys in the order of their bytes. To have all that a prefix holds: ask page after page (KeyAfter)
// and then watch from the FIRST page's revision + 1; what changed meanwhile comes again as events.
struct Page {
  std::vector<KeyValue> items;
  bool more = false;
  int64_t revision = 0;
};

struct Event {
  enum class Kind : uint8_t { kPut, kDelete };

  Kind kind = Kind::kPut;
  KeyValue item;  // of a delete: key and mod_revision only

  bool operator==(const Event&) const = default;
};

// A revision's events are never torn apart between two batches.
struct WatchBatch {
  std::vector<Event> events;
  int64_t next_revision = 0;  // where to go on; what is below was delivered or concerns others
};

// A reader of events that pulls them, so that a slow one costs no memory.
// Thread: one at a time in Next; Cancel from any.
class Watch {
 public:
  virtual ~Watch() = default;

  // Waits for events at most this long; none came when the batch is empty. kCompacted: the events
  // are gone, this watch has ended, list again.
  virtual Result<WatchBatch> Next(uint64_t timeout_ms) = 0;
  // Ends a wait in Next, and all later ones: they return an empty batch at once.
  virtual void Cancel() = 0;
};

struct Lease {
  int64_t id = 0;
  int64_t ttl_s = 0;  // what was granted; it can be more than what was asked for
};

// Watches end before their store does.
// Thread: any.
class StateStore {
 public:
  using Done = std::function<void(Result<TxnResult>)>;

  virtual ~StateStore() = default;

  // Queues a transaction. `done` is called once, when it is durable or has failed, from a thread of
  // the store: it must return soon and must not wait for this store.
  virtual void Submit(Transaction transaction, Done done) = 0;
  // Submits and waits.
  Result<TxnResult> Txn(Transaction transaction);

  // Reads see everything that was acknowledged before they began.
  virtual Result<std::optional<KeyValue>> Get(const std::string& key) = 0;
  virtual Result<Page> Range(const RangeRequest& request) = 0;
  // Every page of a prefix; `revision` is the first page's.
  Result<Page> List(const std::string& prefix);

  // From a revision on; 0: from what comes next.
  virtual Result<std::unique_ptr<Watch>> StartWatch(const std::string& prefix,
                                                    int64_t from_revision) = 0;

  virtual Result<Lease> GrantLease(int64_t ttl_s) = 0;
  // Starts the lease's time anew; the seconds it has now. kLeaseGone: it is too late.
  virtual Result<int64_t> KeepAlive(int64_t lease) = 0;
  // Its keys are deleted with it, in one change.
  virtual Status RevokeLease(int64_t lease) = 0;

  // Forgets events below a revision. A watch from below it fails with kCompacted; one from above
  // it finds everything. kCompacted: it was forgotten already.
  virtual Status Compact(int64_t revision) = 0;
};

// What is wrong with a request, in any store.
Status CheckTransaction(const Transaction& transaction);
Status CheckLeaseSeconds(int64_t ttl_s);

// The first key after this one.
std::string KeyAfter(std::string key);
// The first key after all that begin with the prefix; empty: there is none, they go to the end.
std::string PrefixEnd(std::string prefix);

}  // namespace farlane::pool
