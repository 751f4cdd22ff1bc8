// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/xid.h"

#include <algorithm>
#include <iterator>

namespace farlane::nvml {
namespace {

struct Xid {
  uint64_t number;
  bool needs_reset;
  const char* meaning;
};

constexpr Xid kXids[] = {
    {13, false, "a program's kernel failed"},
    {31, false, "a program reached for memory that is not its own"},
    {43, false, "a program's work was stopped"},
    {45, false, "work ended because its program did"},
    {48, true, "a memory error was not corrected"},
    {63, true, "a row of memory is remapped at the next reset"},
    {64, true, "a row of memory could not be remapped"},
    {74, true, "a link to another GPU failed"},
    {79, true, "the GPU has fallen off the bus"},
    {94, true, "a memory error has hit one program"},
    {95, true, "a memory error may have hit any program"},
    {119, true, "its own processor does not answer"},
    {120, true, "its own processor has failed"},
};

const Xid* Find(uint64_t xid) {
  const auto* const found = std::find_if(std::begin(kXids), std::end(kXids),
                                         [xid](const Xid& one) { return one.number == xid; });
  return found == std::end(kXids) ? nullptr : found;
}

}  // namespace

const char* XidMeaning(uint64_t xid) {
  const Xid* const known_or_null = Find(xid);
  return known_or_null == nullptr ? "an error of the device" : known_or_null->meaning;
}

bool XidNeedsReset(uint64_t xid) {
  const Xid* const known_or_null = Find(xid);
  return known_or_null != nullptr && known_or_null->needs_reset;
}

}  // namespace farlane::nvml
