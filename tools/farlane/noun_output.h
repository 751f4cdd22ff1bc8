// SPDX-License-Identifier: Apache-2.0
// NounOutput prints a list of things of one kind, such as a pool's servers, as whoever asks wants
// it: a table, or JSON, YAML, CSV or names for programs; sorted, and only those with given labels.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

using OrderedJson = nlohmann::ordered_json;

struct Column {
  const char* title;
  std::string (*text)(const OrderedJson& one);
  bool is_wide = false;  // only in the wide table, and in CSV
  // What it is sorted by where the text says it for people: "1.2 GiB".
  double (*number)(const OrderedJson& one) = nullptr;
};

struct Noun {
  const char* member;  // of the answer: "servers"
  std::vector<Column> columns;
  std::string (*name)(const OrderedJson& one);
  // What -l looks at.
  OrderedJson (*labels)(const OrderedJson& one);
};

// Thread: caller's.
struct OutputWish {
  std::string format;    // "text" is the same as "table"
  std::string sort_by;   // a column's title, or the way to a value: "spec.slice.share"
  std::string selector;  // "zone=a,kind!=old,!spot"
  bool no_headers = false;

  bool is_table() const { return format == "text" || format == "table" || format == "wide"; }
};

// The options -o, --sort-by, --no-headers and -l.
void AddOutputWish(CLI::App* app, OutputWish* wish);

// `list` is {"servers": […]}.
Result<std::string> NounText(const Noun& noun, const OutputWish& wish, const OrderedJson& list);

// One of them by itself.
Result<std::string> OneText(const Noun& noun, const OutputWish& wish, const OrderedJson& one);

// Whether the labels of one are as the selector wants; a sentence: it cannot be understood.
Result<bool> IsSelected(const Noun& noun, const OrderedJson& one, const std::string& selector);

// The cells of one, as a table of this wish has them.
std::vector<std::string> RowOf(const Noun& noun, const OutputWish& wish, const OrderedJson& one);
std::vector<std::string> TitlesOf(const Noun& noun, const OutputWish& wish);

// Columns as wide as what stands in them, two spaces apart; widths are kept for rows that follow.
std::string AlignedText(const std::vector<std::vector<std::string>>& rows,
                        std::vector<size_t>* widths);

// What JSON has at a way "spec.slice.share"; null: nothing.
OrderedJson ValueAt(const OrderedJson& from, const std::string& way);

}  // namespace farlane::cli
