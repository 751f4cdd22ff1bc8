// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/etcd_messages.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace farlane::pool {
namespace {

bool SaysOneOf(const std::string& text, std::initializer_list<std::string_view> phrases) {
  return std::any_of(phrases.begin(), phrases.end(), [&text](std::string_view phrase) {
    return text.find(phrase) != std::string::npos;
  });
}

StatusCode MeaningOf(const grpc::Status& status) {
  const std::string& text = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      // These are said before a request is sent, or taken. Any other may come when it was done.
      return SaysOneOf(text, {"failed to connect", "connections to all backends failing",
                              "etcdserver: no leader"})
                 ? store_error::kRetry
                 : store_error::kUnknown;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
      return store_error::kUnknown;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return SaysOneOf(text, {"space exceeded"})      ? store_error::kNoSpace
             : SaysOneOf(text, {"too many requests"}) ? store_error::kRetry
                                                      : StatusCode::kInvalidArgument;
    case grpc::StatusCode::NOT_FOUND:
      return store_error::kLeaseGone;
    case grpc::StatusCode::OUT_OF_RANGE:
      return SaysOneOf(text, {"compacted"}) ? store_error::kCompacted
                                            : StatusCode::kInvalidArgument;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return StatusCode::kInvalidArgument;
    case grpc::StatusCode::DATA_LOSS:
      return store_error::kCorrupt;
    default:
      return StatusCode::kInternal;
  }
}

// etcd takes one byte of zero for "from the first key" and "to the last".
std::string EtcdKey(const std::string& key) {
  return key.empty() ? std::string(1, '\0') : key;
}

etcdserverpb::Compare EtcdCompare(const Compare& compare) {
  etcdserverpb::Compare made;
  made.set_key(compare.key);
  switch (compare.relation) {
    case Compare::Relation::kEqual:
      made.set_result(etcdserverpb::Compare::EQUAL);
      break;
    case Compare::Relation::kNotEqual:
      made.set_result(etcdserverpb::Compare::NOT_EQUAL);
      break;
    case Compare::Relation::kLess:
      made.set_result(etcdserverpb::Compare::LESS);
      break;
    case Compare::Relation::kGreater:
      made.set_result(etcdserverpb::Compare::GREATER);
      break;
  }
  switch (compare.field) {
    case Compare::Field::kCreateRevision:
      made.set_target(etcdserverpb::Compare::CREATE);
      made.set_create_revision(compare.revision);
      break;
    case Compare::Field::kModRevision:
      made.set_target(etcdserverpb::Compare::MOD);
      made.set_mod_revision(compare.revision);
      break;
    case Compare::Field::kValue:
      made.set_target(etcdserverpb::Compare::VALUE);
      made.set_value(compare.value);
      break;
  }
  return made;
}

}  // namespace

Status EtcdError(const grpc::Status& status) {
  return {MeaningOf(status), "etcd: " + status.error_message() + " (gRPC code " +
                                 std::to_string(status.error_code()) + ")"};
}

etcdserverpb::TxnRequest EtcdTxn(const Transaction& transaction) {
  etcdserverpb::TxnRequest request;
  for (const Compare& compare : transaction.compares) {
    *request.add_compare() = EtcdCompare(compare);
  }
  for (const Operation& operation : transaction.operations) {
    etcdserverpb::RequestOp* const made = request.add_success();
    if (operation.kind == Operation::Kind::kDelete) {
      made->mutable_request_delete_range()->set_key(operation.key);
      continue;
    }
    etcdserverpb::PutRequest* const put = made->mutable_request_put();
    put->set_key(operation.key);
    put->set_value(operation.value);
    put->set_lease(operation.lease);
  }
  if (transaction.operations.empty()) {
    // etcd lets any member answer a transaction without operations from what it has; with a read in
    // it, the member first asks whether that is the latest.
    etcdserverpb::RangeRequest* const read = request.add_success()->mutable_request_range();
    read->set_key(EtcdKey(""));
    read->set_count_only(true);
  }
  return request;
}

etcdserverpb::RangeRequest EtcdRange(const RangeRequest& request, size_t limit) {
  etcdserverpb::RangeRequest made;
  made.set_key(EtcdKey(std::max(request.prefix, request.from_key)));
  made.set_range_end(EtcdKey(PrefixEnd(request.prefix)));
  made.set_limit(static_cast<int64_t>(limit));
  return made;
}

etcdserverpb::WatchRequest EtcdWatchFrom(const std::string& prefix, int64_t revision) {
  etcdserverpb::WatchRequest request;
  etcdserverpb::WatchCreateRequest* const create = request.mutable_create_request();
  create->set_key(EtcdKey(prefix));
  create->set_range_end(EtcdKey(PrefixEnd(prefix)));
  create->set_start_revision(revision);
  // So that a watch to which nothing happens does not fall behind the compaction.
  create->set_progress_notify(true);
  // A revision that is larger than a message comes in parts.
  create->set_fragment(true);
  return request;
}

KeyValue FromEtcd(const etcdserverpb::KeyValue& item) {
  return {.key = item.key(),
          .value = item.value(),
          .create_revision = item.create_revision(),
          .mod_revision = item.mod_revision(),
          .lease = item.lease()};
}

Event FromEtcd(const etcdserverpb::Event& event) {
  return {.kind = event.type() == etcdserverpb::Event::DELETE ? Event::Kind::kDelete
                                                              : Event::Kind::kPut,
          .item = FromEtcd(event.kv())};
}

Result<Page> PageFromEtcd(const RangeRequest& request, const etcdserverpb::RangeResponse& answer) {
  Page page;
  page.revision = answer.header().revision();
  page.more = answer.more();
  for (const etcdserverpb::KeyValue& item : answer.kvs()) {
    const bool ascends = page.items.empty() || page.items.back().key < item.key();
    if (!item.key().starts_with(request.prefix) || item.key() < request.from_key || !ascends) {
      return Status(
          store_error::kCorrupt,
          "etcd answers with a key that was not asked for, or out of order: '" + item.key() + "'");
    }
    page.items.push_back(FromEtcd(item));
  }
  if (page.more && page.items.empty()) {
    return Status(store_error::kCorrupt, "etcd answers with no keys, and that there are more");
  }
  return page;
}

}  // namespace farlane::pool
