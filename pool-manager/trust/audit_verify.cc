// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/audit_verify.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "pool-manager/trust/audit_chain.h"
#include "pool-manager/trust/audit_log.h"

namespace farlane::pool {
namespace {

using Segments = std::map<uint64_t, AuditSegment>;

std::string Named(uint64_t epoch) {
  return "the segment of epoch " + std::to_string(epoch);
}

// Whether a segment has reached this head.
bool Reaches(const AuditSegment& segment, uint64_t seq, const std::string& head) {
  return seq < segment.heads.size() && segment.heads[seq] == head;
}

void ReadSegments(const std::string& folder, Segments* segments, v1::AuditVerdict* verdict) {
  const Result<std::vector<std::string>> files = AuditFiles(folder);
  if (!files.ok()) {
    verdict->add_problems(files.error().message());
    return;
  }
  for (const std::string& path : files.value()) {
    const Result<std::string> text = ReadAuditFile(path);
    Result<AuditSegment> segment =
        text.ok() ? ReadAuditSegment(text.value()) : Result<AuditSegment>(text.error());
    if (!segment.ok()) {
      verdict->add_problems(path + ": " + segment.error().message());
      continue;
    }
    const bool empty = segment.value().records.empty();
    if (empty || path != AuditFile(folder, segment.value().records.front().epoch())) {
      verdict->add_problems(path + " holds another leader's segment, or none");
      continue;
    }
    if (segment.value().torn_bytes != 0 && path != files.value().back()) {
      verdict->add_problems(path + " ends within a line");
    }
    const uint64_t epoch = segment.value().records.front().epoch();
    verdict->set_segments(verdict->segments() + 1);
    verdict->set_records(verdict->records() + segment.value().records.size());
    (*segments)[epoch] = std::move(segment).value();
  }
}

// That none was cut off, or taken away.
void CheckHeads(const Segments& segments,
                const std::vector<v1::AuditHead>& heads,
                const std::string& manager,
                v1::AuditVerdict* verdict) {
  for (const v1::AuditHead& head : heads) {
    const auto found = segments.find(head.epoch());
    if (found == segments.end() && head.manager() != manager) {
      verdict->add_elsewhere(Named(head.epoch()) + " is at the manager " + head.manager());
    } else if (found == segments.end()) {
      verdict->add_problems(Named(head.epoch()) + " is missing, or is damaged");
    } else if (!Reaches(found->second, head.seq(), head.head())) {
      verdict->add_problems(Named(head.epoch()) + " does not reach record " +
                            std::to_string(head.seq()) + " with the head that the store knows");
    }
  }
}

// That each stands on the one before it.
void CheckLinks(const Segments& segments, v1::AuditVerdict* verdict) {
  for (const auto& [epoch, segment] : segments) {
    const v1::AuditRecord& opening = segment.records.front();
    const auto before = segments.find(opening.previous_epoch());
    if (before != segments.end() &&
        !Reaches(before->second, opening.previous_seq(), opening.previous_head())) {
      verdict->add_problems(Named(before->first) + " is not the one that " + Named(epoch) +
                            " stands on");
    }
  }
}

}  // namespace

Result<std::vector<std::string>> AuditFiles(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".log") {
      files.push_back(folder + "/" + entry.path().filename().string());
    }
  }
  if (error) {
    return Status(StatusCode::kUnavailable, "cannot list " + folder + ": " + error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::string> ReadAuditFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good() && !file.eof()) {
    return Status(StatusCode::kUnavailable, "cannot read " + path);
  }
  return text.str();
}

v1::AuditVerdict VerifyAudit(const std::string& folder,
                             const std::vector<v1::AuditHead>& heads,
                             const std::string& manager) {
  v1::AuditVerdict verdict;
  Segments segments;
  ReadSegments(folder, &segments, &verdict);
  CheckHeads(segments, heads, manager, &verdict);
  CheckLinks(segments, &verdict);
  if (!segments.empty()) {
    const auto& [epoch, last] = *segments.rbegin();
    verdict.set_epoch(epoch);
    verdict.set_seq(last.heads.size() - 1);
    verdict.set_head(last.heads.back());
  }
  verdict.set_intact(verdict.problems().empty());
  return verdict;
}

}  // namespace farlane::pool
