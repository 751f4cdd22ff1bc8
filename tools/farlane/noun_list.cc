// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/noun_list.h"

#include <cstdio>

#include "protocol/base/log.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

// What is printed of the events of a watch. What there is at first stands in columns of one width;
// what comes later keeps to them as far as it can.
class EventPrinter {
 public:
  EventPrinter(const Noun& noun, const char* member, const OutputWish& wish)
      : noun_(noun), member_(member), wish_(wish) {
    if (wish.is_table() && !wish.no_headers) {
      rows_.push_back(TitlesOf(noun, wish));
    }
  }

  // False: it cannot be printed, and status() says why.
  bool Take(const std::string& line) {
    const OrderedJson event = OrderedJson::parse(line, nullptr, false);
    const OrderedJson one = ValueAt(event, member_);
    const OrderedJson type = ValueAt(event, "type");
    if (type == "BOOKMARK") {
      Print();
      return true;
    }
    const Result<bool> is_selected = IsSelected(noun_, one, wish_.selector);
    if (!is_selected.ok()) {
      status_ = is_selected.error();
      return false;
    }
    if (!one.is_object() || !is_selected.value()) {
      return true;
    }
    if (wish_.format == "json") {
      fputs(line.c_str(), stdout);
    } else if (wish_.is_table()) {
      TakeRow(one, type == "DELETED");
    } else {
      const Result<std::string> text = OneText(noun_, wish_, one);
      fputs((wish_.format == "yaml" ? "---\n" + text.value() : text.value()).c_str(), stdout);
    }
    return fflush(stdout) == 0;
  }

  const Status& status() const { return status_; }

 private:
  void TakeRow(const OrderedJson& one, bool is_deleted) {
    std::vector<std::string> row = RowOf(noun_, wish_, one);
    if (is_deleted) {
      row.emplace_back("(deleted)");
    }
    rows_.push_back(std::move(row));
    if (has_begun_) {
      Print();
    }
  }

  void Print() {
    has_begun_ = true;
    fputs(AlignedText(rows_, &widths_).c_str(), stdout);
    fflush(stdout);
    rows_.clear();
  }

  const Noun& noun_;
  const char* const member_;
  const OutputWish& wish_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> widths_;
  bool has_begun_ = false;
  Status status_;
};

}  // namespace

int ListNoun(const Installation& installation,
             const std::string& pool,
             const std::string& path,
             const Noun& noun,
             const OutputWish& wish) {
  const Result<PoolReply> reply = AskPoolForList(installation, pool, path, noun.member);
  if (!reply.ok() || reply.value().code != 0) {
    return reply.ok() ? reply.value().code : Fail(reply.error());
  }
  const Result<std::string> text =
      NounText(noun, wish, OrderedJson::parse(reply.value().output, nullptr, false));
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

int WatchNoun(const Installation& installation,
              const std::string& pool,
              const std::string& path,
              const Noun& noun,
              const char* member,
              const OutputWish& wish) {
  if (!wish.sort_by.empty() || wish.format == "csv") {
    return Fail(Status(StatusCode::kInvalidArgument,
                       "--watch shows things as they change: without --sort-by, and not as csv"));
  }
  EventPrinter printer(noun, member, wish);
  const Result<int> code = WatchPool(
      installation, pool, path, [&printer](const std::string& line) { return printer.Take(line); });
  if (!printer.status().ok() || !code.ok()) {
    return Fail(code.ok() ? printer.status() : code.error());
  }
  return code.value();
}

}  // namespace farlane::cli
