# SPDX-License-Identifier: Apache-2.0
"""tests/support/mock_driver.h: a driver of functions that a test puts in; driver_calls.h: all calls of a driver."""

from symbols import parameter_list

_HEADER = """\
// SPDX-License-Identifier: Apache-2.0
// A driver that a test scripts: one function to fill in per call that the spec lets travel.
// Generated from protocol/spec/calls. Function pointers carry no object, so one MockDriver may live at a time; calls
// that are not filled in answer CUDA_ERROR_NOT_FOUND, as with a driver that lacks them. Whoever counts calls or
// checks arguments puts a testing::MockFunction in: two hundred mock methods take the compiler a minute.
#pragma once

#include <functional>

#include "gpu-server/driver/driver_table.h"

namespace farlane::server {{

// Stands behind the DriverTable that Table() returns, for as long as it lives.
// Thread: as the functions in it.
class MockDriver {{
 public:
  MockDriver();
  ~MockDriver();
  MockDriver(const MockDriver&) = delete;
  MockDriver& operator=(const MockDriver&) = delete;

  // A table whose calls arrive here.
  DriverTable Table();

{functions}

 private:
  static MockDriver* current_;
}};

}}  // namespace farlane::server
"""
_SOURCE = """\
// SPDX-License-Identifier: Apache-2.0
// Generated from protocol/spec/calls.
#include "tests/support/mock_driver.h"

#include "protocol/base/check.h"

namespace farlane::server {{
namespace {{

template <typename Function, typename... Arguments>
CUresult Ask(const Function& function, Arguments... arguments) {{
  return function ? function(arguments...) : CUDA_ERROR_NOT_FOUND;
}}

}}  // namespace

MockDriver* MockDriver::current_ = nullptr;

MockDriver::MockDriver() {{
  FARLANE_CHECK(current_ == nullptr);
  current_ = this;
}}

MockDriver::~MockDriver() {{ current_ = nullptr; }}

DriverTable MockDriver::Table() {{
  DriverTable table;
  LoadDriverTable([](void*, const char*) -> void* {{ return nullptr; }}, nullptr, table);
{binds}
  return table;
}}

}}  // namespace farlane::server
"""

_CALLS = """\
// SPDX-License-Identifier: Apache-2.0
// Every call of a driver, for whoever does the same to each of them. Generated from protocol/spec/calls.
#pragma once

#include "gpu-server/driver/driver_table.h"

namespace farlane::server {{

// `use` gets a reference to each member in turn.
template <typename Use>
void EachDriverCall(DriverTable& table, Use&& use) {{
{uses}
}}

}}  // namespace farlane::server
"""


def _bind(call):
    arguments = "".join(f", {p.name}" for p in call.parameters)
    return (
        f"  table.{call.symbol} = []({parameter_list(call)}) {{\n"
        f"    return Ask(current_->{call.symbol}{arguments});\n  }};"
    )


def emit(spec):
    calls = [c for c in spec.calls if c.travel]
    functions = [f"  std::function<CUresult({parameter_list(c)})> {c.symbol};" for c in calls]
    uses = [f"  use(table.{c.symbol});" for c in spec.calls]
    return {
        "tests/support/driver_calls.h": _CALLS.format(uses="\n".join(uses)),
        "tests/support/mock_driver.h": _HEADER.format(functions="\n".join(functions)),
        "tests/support/mock_driver.cc": _SOURCE.format(binds="\n".join(_bind(c) for c in calls)),
    }
