// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/exception_list.h"

#include <fstream>
#include <sstream>

#include <fnmatch.h>

namespace farlane::soft::isa {

ExceptionList::ExceptionList(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  while (std::getline(file, text)) {
    std::istringstream words(text.substr(0, text.find('#')));
    Line line;
    if (words >> line.kind >> std::ws && std::getline(words, line.pattern)) {
      line.pattern.erase(line.pattern.find_last_not_of(' ') + 1);
      lines_.push_back(line);
    }
  }
}

bool ExceptionList::Matches(const std::string& kind, const std::string& title) {
  bool found = false;
  for (Line& line : lines_) {
    if (line.kind == kind && fnmatch(line.pattern.c_str(), title.c_str(), 0) == 0) {
      line.used = found = true;
    }
  }
  return found;
}

bool ExceptionList::Refuses(const std::string& title) {
  return Matches("refused", title);
}

bool ExceptionList::LacksOracle(const std::string& title) {
  return Matches("no-oracle", title);
}

std::vector<std::string> ExceptionList::UnusedOf(const std::string& opcode) const {
  std::vector<std::string> unused;
  for (const Line& line : lines_) {
    if (!line.used && line.pattern.substr(0, line.pattern.find('.')) == opcode) {
      unused.push_back(line.kind + " " + line.pattern);
    }
  }
  return unused;
}

}  // namespace farlane::soft::isa
