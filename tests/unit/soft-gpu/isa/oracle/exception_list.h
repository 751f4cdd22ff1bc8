// SPDX-License-Identifier: Apache-2.0
// ExceptionList is the committed list of variants that are not tested, each line with a reason:
//
//   refused   vadd.*          the software GPU says that it does not have it
//   no-oracle fma.rn.oob.*    the semantics here do not know what it must give
//
// The list can only get shorter: a line that covers a variant which is compiled, or none at all,
// fails the test.
#pragma once

#include <string>
#include <vector>

namespace farlane::soft::isa {

// Thread: caller's.
class ExceptionList {
 public:
  explicit ExceptionList(const std::string& path);

  bool Refuses(const std::string& title);
  bool LacksOracle(const std::string& title);
  // Lines that Refuses and LacksOracle have not used and that are for `opcode`.
  std::vector<std::string> UnusedOf(const std::string& opcode) const;

 private:
  struct Line {
    std::string kind;
    std::string pattern;
    bool used = false;
  };

  bool Matches(const std::string& kind, const std::string& title);

  std::vector<Line> lines_;
};

}  // namespace farlane::soft::isa
