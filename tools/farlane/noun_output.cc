// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/noun_output.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>

#include "tools/farlane/yaml_text.h"

namespace farlane::cli {
namespace {

using Row = std::vector<std::string>;

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), ::toupper);
  return text;
}

// A number, whole; the manager writes those of 64 bits as texts.
std::optional<double> NumberIn(const OrderedJson& value) {
  if (value.is_number()) {
    return value.get<double>();
  }
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  char* end = nullptr;
  const double number = strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' ? std::optional(number) : std::nullopt;
}

bool IsBefore(const OrderedJson& a, const OrderedJson& b) {
  const std::optional<double> one = NumberIn(a);
  const std::optional<double> other = NumberIn(b);
  if (one.has_value() && other.has_value()) {
    return *one < *other;
  }
  const auto text = [](const OrderedJson& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  return one.has_value() != other.has_value() ? one.has_value() : text(a) < text(b);
}

using SortKey = std::function<OrderedJson(const OrderedJson& one)>;

Result<SortKey> SortKeyOf(const Noun& noun, const std::string& wanted) {
  for (const Column& column : noun.columns) {
    if (Upper(wanted) == column.title) {
      return SortKey([column](const OrderedJson& one) {
        return column.number != nullptr ? OrderedJson(column.number(one))
                                        : OrderedJson(column.text(one));
      });
    }
  }
  if (wanted.find('.') != std::string::npos) {
    return SortKey([wanted](const OrderedJson& one) { return ValueAt(one, wanted); });
  }
  std::string titles;
  for (const Column& column : noun.columns) {
    titles += (titles.empty() ? "" : ", ") + std::string(column.title);
  }
  return Status(StatusCode::kInvalidArgument,
                "--sort-by takes a column (" + titles +
                    ") or the way to a value (spec.slice.share), not \"" + wanted + "\"");
}

// RFC 4180.
std::string CsvLine(const Row& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    line += i == 0 ? "" : ",";
    if (cells[i].find_first_of(",\"\r\n") == std::string::npos) {
      line += cells[i];
      continue;
    }
    line += '"';
    for (const char letter : cells[i]) {
      line += letter == '"' ? std::string("\"\"") : std::string(1, letter);
    }
    line += '"';
  }
  return line + "\r\n";
}

Result<std::vector<OrderedJson>> Chosen(const Noun& noun,
                                        const OutputWish& wish,
                                        const OrderedJson& list) {
  std::vector<OrderedJson> chosen;
  const auto all = list.find(noun.member);
  if (all == list.end() || !all->is_array()) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  for (const OrderedJson& one : *all) {
    FARLANE_ASSIGN(const bool is_selected, IsSelected(noun, one, wish.selector));
    if (is_selected) {
      chosen.push_back(one);
    }
  }
  if (!wish.sort_by.empty()) {
    FARLANE_ASSIGN(const SortKey key, SortKeyOf(noun, wish.sort_by));
    std::stable_sort(
        chosen.begin(), chosen.end(),
        [&key](const OrderedJson& a, const OrderedJson& b) { return IsBefore(key(a), key(b)); });
  }
  return chosen;
}

std::string TableText(const Noun& noun,
                      const OutputWish& wish,
                      const std::vector<OrderedJson>& chosen) {
  std::vector<Row> rows;
  if (!wish.no_headers) {
    rows.push_back(TitlesOf(noun, wish));
  }
  for (const OrderedJson& one : chosen) {
    rows.push_back(RowOf(noun, wish, one));
  }
  if (wish.format != "csv") {
    std::vector<size_t> widths;
    return AlignedText(rows, &widths);
  }
  std::string text;
  for (const Row& row : rows) {
    text += CsvLine(row);
  }
  return text;
}

}  // namespace

void AddOutputWish(CLI::App* app, OutputWish* wish) {
  wish->format = "table";
  app->add_option("-o,--output", wish->format, "how to print it")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "csv", "name", "text"}))
      ->type_name("");
  app->add_option("--sort-by", wish->sort_by, "a column, or the way to a value: spec.slice.share")
      ->type_name("COLUMN");
  app->add_flag("--no-headers", wish->no_headers, "of table, wide and csv: no line of titles");
  app->add_option("-l,--selector", wish->selector, "only those with these labels: zone=a,kind!=old")
      ->type_name("LABELS");
}

OrderedJson ValueAt(const OrderedJson& from, const std::string& way) {
  const OrderedJson* at = &from;
  for (size_t start = 0; start <= way.size();) {
    const size_t end = std::min(way.find('.', start), way.size());
    const auto found = at->is_object() ? at->find(way.substr(start, end - start)) : at->end();
    if (found == at->end()) {
      return nullptr;
    }
    at = &*found;
    start = end + 1;
  }
  return *at;
}

Result<bool> IsSelected(const Noun& noun, const OrderedJson& one, const std::string& selector) {
  const OrderedJson labels = noun.labels(one);
  for (size_t start = 0; start < selector.size();) {
    const size_t end = std::min(selector.find(',', start), selector.size());
    const std::string rule = selector.substr(start, end - start);
    start = end + 1;
    const size_t equals = rule.find('=');
    const bool is_not = equals != std::string::npos && equals > 0 && rule[equals - 1] == '!';
    const bool is_absent = equals == std::string::npos && rule[0] == '!';
    const std::string key =
        is_absent ? rule.substr(1) : rule.substr(0, is_not ? equals - 1 : equals);
    if (key.empty()) {
      return Status(StatusCode::kInvalidArgument,
                    "a selector is KEY=VALUE, KEY!=VALUE, KEY or !KEY, with commas between, not "
                    "\"" +
                        rule + "\"");
    }
    const auto found = labels.find(key);
    const bool is_there = found != labels.end();
    const bool is_equal = equals != std::string::npos && is_there && found->is_string() &&
                          found->get<std::string>() == rule.substr(equals + 1);
    const bool holds = equals == std::string::npos ? is_there != is_absent : is_equal != is_not;
    if (!holds) {
      return false;
    }
  }
  return true;
}

Row RowOf(const Noun& noun, const OutputWish& wish, const OrderedJson& one) {
  Row row;
  for (const Column& column : noun.columns) {
    if (wish.format == "csv" && column.number != nullptr) {
      // Programs want bytes, and not "1.2 GiB".
      char number[32];
      snprintf(number, sizeof number, "%.17g", column.number(one));
      row.emplace_back(number);
    } else if (!column.is_wide || wish.format == "wide" || wish.format == "csv") {
      row.push_back(column.text(one));
    }
  }
  return row;
}

Row TitlesOf(const Noun& noun, const OutputWish& wish) {
  Row row;
  for (const Column& column : noun.columns) {
    if (!column.is_wide || wish.format == "wide" || wish.format == "csv") {
      row.emplace_back(column.title);
    }
  }
  return row;
}

std::string AlignedText(const std::vector<Row>& rows, std::vector<size_t>* widths) {
  for (const Row& row : rows) {
    widths->resize(std::max(widths->size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      (*widths)[i] = std::max((*widths)[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string((*widths)[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

Result<std::string> NounText(const Noun& noun, const OutputWish& wish, const OrderedJson& list) {
  FARLANE_ASSIGN(const std::vector<OrderedJson> chosen, Chosen(noun, wish, list));
  if (wish.is_table() || wish.format == "csv") {
    return TableText(noun, wish, chosen);
  }
  if (wish.format == "name") {
    std::string text;
    for (const OrderedJson& one : chosen) {
      text += noun.name(one) + "\n";
    }
    return text;
  }
  const OrderedJson all = {{noun.member, chosen}};
  return wish.format == "yaml" ? YamlText(all) : all.dump() + "\n";
}

Result<std::string> OneText(const Noun& noun, const OutputWish& wish, const OrderedJson& one) {
  if (wish.format == "json") {
    return one.dump() + "\n";
  }
  return wish.format == "yaml" ? YamlText(one)
                               : NounText(noun, wish, {{noun.member, OrderedJson::array({one})}});
}

}  // namespace farlane::cli
