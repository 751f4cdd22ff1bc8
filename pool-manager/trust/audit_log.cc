// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/audit_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool-manager/trust/audit_verify.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/own_folder.h"

namespace farlane::pool {
namespace {

constexpr char kHeadPrefix[] = "/farlane/audit/";
constexpr int64_t kMinuteMs = 60'000;

std::string Digits(uint64_t epoch) {
  char text[32];
  snprintf(text, sizeof text, "%020llu", static_cast<unsigned long long>(epoch));
  return text;
}

Status WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot write the audit log", errno);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return Status::Ok();
}

// A leader that died may have written more than it has told the store. If its segment lies here and
// goes on from there, the next one stands on all of it.
v1::AuditHead WithTail(const std::string& folder, v1::AuditHead head) {
  const Result<std::string> text = ReadAuditFile(AuditFile(folder, head.epoch()));
  const Result<AuditSegment> segment =
      text.ok() ? ReadAuditSegment(text.value()) : Result<AuditSegment>(text.error());
  if (!segment.ok() || head.seq() >= segment.value().heads.size() ||
      segment.value().heads[head.seq()] != head.head()) {
    return head;  // whoever verifies is told what is wrong with it
  }
  if (segment.value().torn_bytes != 0) {
    const auto size = static_cast<off_t>(text.value().size() - segment.value().torn_bytes);
    LogWarn("the audit log of epoch %llu ends within a line that was being written; it is cut off",
            static_cast<unsigned long long>(head.epoch()));
    static_cast<void>(!truncate(AuditFile(folder, head.epoch()).c_str(), size));
  }
  head.set_seq(segment.value().heads.size() - 1);
  head.set_head(segment.value().heads.back());
  return head;
}

Result<Fd> MakeFile(const std::string& folder, uint64_t epoch) {
  FARLANE_TRY(MakeOwnFolder(folder));
  const std::string path = AuditFile(folder, epoch);
  Fd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const Fd place(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.valid() || !place.valid() || fsync(place.get()) != 0) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot make " + path, errno);
  }
  return file;
}

}  // namespace

std::string AuditFile(const std::string& folder, uint64_t epoch) {
  return folder + "/" + Digits(epoch) + ".log";
}

Result<std::vector<v1::AuditHead>> AuditHeads(RecordStore& store) {
  FARLANE_ASSIGN(const std::vector<KeyValue> stored, store.List(kHeadPrefix));
  std::vector<v1::AuditHead> heads;
  for (const KeyValue& item : stored) {
    v1::AuditHead head;
    if (!head.ParseFromString(item.value) || item.key != kHeadPrefix + Digits(head.epoch())) {
      return Status(StatusCode::kCorrupt, "what is stored at " + item.key + " is no audit head");
    }
    heads.push_back(std::move(head));
  }
  return heads;
}

Result<std::unique_ptr<AuditLog>> AuditLog::Begin(Options options,
                                                  RecordStore& store,
                                                  int64_t now_ms) {
  if (!options.sync) {
    options.sync = [](int file) { return fdatasync(file); };
  }
  FARLANE_ASSIGN(const std::vector<v1::AuditHead> heads, AuditHeads(store));
  v1::AuditRecord opening;
  opening.set_kind("segment");
  opening.set_time_ms(now_ms);
  opening.set_previous_head(std::string(kAuditStart));
  std::vector<Operation> operations;
  if (!heads.empty()) {
    const v1::AuditHead last = WithTail(options.folder, heads.back());
    opening.set_previous_epoch(last.epoch());
    opening.set_previous_seq(last.seq());
    opening.set_previous_head(last.head());
    operations.push_back(
        Operation::Put(kHeadPrefix + Digits(last.epoch()), last.SerializeAsString()));
  }
  FARLANE_ASSIGN(Fd file, MakeFile(options.folder, store.epoch()));
  std::unique_ptr<AuditLog> log(new AuditLog(std::move(options), store, std::move(file)));
  FARLANE_TRY(log->Ask(std::move(opening)));
  if (!operations.empty()) {
    FARLANE_TRY(store.Commit(std::move(operations)));
  }
  FARLANE_TRY(log->TellStore());
  return log;
}

Result<uint64_t> AuditLog::AppendTo(Tail& tail, v1::AuditRecord record) {
  if (tail.failed) {
    return Status(StatusCode::kUnavailable,
                  "the audit log could not be brought to the disk, and what is there is not known; "
                  "start the manager again");
  }
  record.set_seq(tail.next_seq);
  record.set_epoch(store_.epoch());
  if (record.time_ms() == 0) {
    record.set_time_ms(WallMs());
  }
  FARLANE_ASSIGN(const AuditLine line, MakeAuditLine(tail.head, record));
  const Status written = WriteAll(file_.get(), line.text);
  if (!written.ok()) {
    // Half a line would end the chain for good.
    tail.failed = ftruncate(file_.get(), tail.size) != 0;
    return written;
  }
  tail.size += static_cast<int64_t>(line.text.size());
  tail.head = line.head;
  return tail.next_seq++;
}

Result<uint64_t> AuditLog::Append(v1::AuditRecord record) {
  return tail_.With([&](Tail& tail) { return AppendTo(tail, std::move(record)); });
}

Status AuditLog::SyncTo(uint64_t seq) {
  return synced_.With([&](uint64_t& synced) {
    if (synced > seq) {
      return Status::Ok();
    }
    const uint64_t written = tail_.With([](const Tail& tail) { return tail.next_seq; });
    if (options_.sync(file_.get()) != 0) {
      const Status why = Status::FromErrno(StatusCode::kUnavailable,
                                           "cannot bring the audit log to the disk", errno);
      // Linux forgets what it could not write, and says so once.
      tail_.With([](Tail& tail) { tail.failed = true; });
      return why;
    }
    synced = written;
    return Status::Ok();
  });
}

Result<uint64_t> AuditLog::Ask(v1::AuditRecord record) {
  FARLANE_ASSIGN(const uint64_t seq, Append(std::move(record)));
  FARLANE_TRY(SyncTo(seq));
  return seq;
}

void AuditLog::Note(v1::AuditRecord record) {
  if (const Result<uint64_t> seq = Append(std::move(record)); !seq.ok()) {
    LogError("%s", seq.error().message().c_str());
  }
}

void AuditLog::NoteRefusal(v1::AuditRecord record) {
  const int64_t minute = WallMs() / kMinuteMs;
  record.set_kind("refused");
  const Result<uint64_t> seq = tail_.With([&](Tail& tail) -> Result<uint64_t> {
    if (tail.minute != minute) {
      tail.minute = minute;
      tail.refused = 0;
    }
    // Anybody can be turned away as often as he likes, and must not fill the disk by it.
    if (tail.refused >= kRefusedPerMinute) {
      ++tail.suppressed;
      return tail.next_seq;
    }
    ++tail.refused;
    record.set_suppressed(std::exchange(tail.suppressed, 0));
    return AppendTo(tail, std::move(record));
  });
  if (!seq.ok()) {
    LogError("%s", seq.error().message().c_str());
  }
}

Status AuditLog::TellStore() {
  v1::AuditHead head;
  head.set_epoch(store_.epoch());
  head.set_manager(options_.manager);
  tail_.With([&](const Tail& tail) {
    head.set_seq(tail.next_seq - 1);
    head.set_head(tail.head);
  });
  FARLANE_TRY(SyncTo(head.seq()));
  FARLANE_TRY(store_.Commit(
      {Operation::Put(kHeadPrefix + Digits(head.epoch()), head.SerializeAsString())}));
  tail_.With([&](Tail& tail) { tail.told_seq = head.seq(); });
  return Status::Ok();
}

void AuditLog::Look() {
  const bool is_new = tail_.With(
      [](const Tail& tail) { return tail.next_seq > tail.told_seq + 1 && !tail.failed; });
  if (!is_new) {
    return;
  }
  if (const Status status = TellStore(); !status.ok()) {
    LogWarn("the store is not told how far the audit log has come: %s", status.message().c_str());
  }
}

Result<std::vector<v1::AuditRecord>> AuditLog::Last(size_t count) const {
  FARLANE_ASSIGN(const std::vector<std::string> files, AuditFiles(options_.folder));
  std::vector<v1::AuditRecord> last;
  for (auto file = files.rbegin(); file != files.rend() && last.size() < count; ++file) {
    FARLANE_ASSIGN(const std::string text, ReadAuditFile(*file));
    FARLANE_ASSIGN(AuditSegment segment, ReadAuditSegment(text).While("reading " + *file));
    const size_t taken = std::min(count - last.size(), segment.records.size());
    last.insert(last.begin(), segment.records.end() - static_cast<ptrdiff_t>(taken),
                segment.records.end());
  }
  return last;
}

}  // namespace farlane::pool
