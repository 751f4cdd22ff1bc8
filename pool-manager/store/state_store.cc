// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/state_store.h"

#include <future>
#include <set>
#include <string_view>
#include <utility>

namespace farlane::pool {
namespace {

template <typename T>
bool Relates(const T& left, Compare::Relation relation, const T& right) {
  switch (relation) {
    case Compare::Relation::kEqual:
      return left == right;
    case Compare::Relation::kNotEqual:
      return left != right;
    case Compare::Relation::kLess:
      return left < right;
    case Compare::Relation::kGreater:
      return left > right;
  }
  return false;
}

Status CheckKey(const std::string& key) {
  if (key.empty()) {
    return {StatusCode::kInvalidArgument, "a key of the store is empty"};
  }
  if (key.size() > kKeyBytesMax) {
    return {StatusCode::kInvalidArgument, "a key of " + std::to_string(key.size()) +
                                              " bytes is longer than " +
                                              std::to_string(kKeyBytesMax)};
  }
  return {};
}

}  // namespace

Compare Compare::Absent(std::string key) {
  return CreatedAt(std::move(key), 0);
}

Compare Compare::Present(std::string key) {
  Compare compare = CreatedAt(std::move(key), 0);
  compare.relation = Relation::kGreater;
  return compare;
}

Compare Compare::CreatedAt(std::string key, int64_t revision) {
  Compare compare;
  compare.key = std::move(key);
  compare.revision = revision;
  return compare;
}

Compare Compare::ModifiedAt(std::string key, int64_t revision) {
  Compare compare = CreatedAt(std::move(key), revision);
  compare.field = Field::kModRevision;
  return compare;
}

Compare Compare::ValueIs(std::string key, std::string value) {
  Compare compare;
  compare.key = std::move(key);
  compare.field = Field::kValue;
  compare.value = std::move(value);
  return compare;
}

bool Compare::Holds(const std::optional<KeyValue>& found) const {
  if (field == Field::kValue) {
    return found.has_value() && Relates(found->value, relation, value);
  }
  const int64_t is = !found                            ? 0
                     : field == Field::kCreateRevision ? found->create_revision
                                                       : found->mod_revision;
  return Relates(is, relation, revision);
}

Operation Operation::Put(std::string key, std::string value, int64_t lease) {
  return {.kind = Kind::kPut, .key = std::move(key), .value = std::move(value), .lease = lease};
}

Operation Operation::Delete(std::string key) {
  return {.kind = Kind::kDelete, .key = std::move(key), .value = {}, .lease = 0};
}

Result<TxnResult> StateStore::Txn(Transaction transaction) {
  std::promise<Result<TxnResult>> promise;
  std::future<Result<TxnResult>> future = promise.get_future();
  Submit(std::move(transaction),
         [&promise](Result<TxnResult> result) { promise.set_value(std::move(result)); });
  return future.get();
}

Result<Page> StateStore::List(const std::string& prefix) {
  FARLANE_ASSIGN(Page all, Range({.prefix = prefix, .limit = 0, .from_key = {}}));
  while (all.more) {
    FARLANE_ASSIGN(
        Page page,
        Range({.prefix = prefix, .limit = 0, .from_key = KeyAfter(all.items.back().key)}));
    all.more = page.more;
    for (KeyValue& item : page.items) {
      all.items.push_back(std::move(item));
    }
  }
  return all;
}

Status CheckTransaction(const Transaction& transaction) {
  if (transaction.operations.size() > kOperationsMax ||
      transaction.compares.size() > kOperationsMax) {
    return {StatusCode::kInvalidArgument,
            "a transaction of " + std::to_string(transaction.operations.size()) +
                " operations and " + std::to_string(transaction.compares.size()) +
                " conditions; at most " + std::to_string(kOperationsMax) + " of each are taken"};
  }
  size_t bytes = 0;
  for (const Compare& compare : transaction.compares) {
    FARLANE_TRY(CheckKey(compare.key).While("checking a condition"));
    bytes += compare.key.size() + compare.value.size();
  }
  std::set<std::string_view> changed;
  for (const Operation& operation : transaction.operations) {
    FARLANE_TRY(CheckKey(operation.key).While("checking an operation"));
    bytes += operation.key.size() + operation.value.size();
    if (!changed.insert(operation.key).second) {
      return {StatusCode::kInvalidArgument,
              "a transaction changes the key '" + operation.key + "' twice"};
    }
  }
  if (bytes > kTransactionBytesMax) {
    return {StatusCode::kInvalidArgument, "a transaction of " + std::to_string(bytes) +
                                              " bytes; at most " +
                                              std::to_string(kTransactionBytesMax) + " are taken"};
  }
  return {};
}

Status CheckLeaseSeconds(int64_t ttl_s) {
  if (ttl_s < 1 || ttl_s > kLeaseSecondsMax) {
    return {StatusCode::kInvalidArgument, "a lease of " + std::to_string(ttl_s) +
                                              " s; it can be from 1 to " +
                                              std::to_string(kLeaseSecondsMax)};
  }
  return {};
}

std::string KeyAfter(std::string key) {
  key.push_back('\0');
  return key;
}

std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') {
    prefix.pop_back();
  }
  if (!prefix.empty()) {
    prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  }
  return prefix;
}

}  // namespace farlane::pool
