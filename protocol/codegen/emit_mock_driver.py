# SPDX-License-Identifier: Apache-2.0
"""tests/support/mock_driver.h: a gmock of the driver calls that somebody uses."""

from symbols import parameter_list

_TEXT = """\
// SPDX-License-Identifier: Apache-2.0
// A driver that a test scripts: one mock method per call that the spec lets travel.
// Generated from protocol/spec/calls. Function pointers carry no object, so one MockDriver may live at a time; calls
// that are not mocked answer CUDA_ERROR_NOT_FOUND, as with a driver that lacks them.
#ifndef FARLANE_TESTS_SUPPORT_MOCK_DRIVER_H_
#define FARLANE_TESTS_SUPPORT_MOCK_DRIVER_H_

#include <gmock/gmock.h>

#include "gpu-server/driver/driver_table.h"
#include "protocol/base/check.h"

namespace farlane::server {{

// Stands behind the DriverTable that Table() returns, for as long as it lives.
// Thread: any, as far as gmock is.
class MockDriver {{
 public:
  MockDriver() {{
    FARLANE_CHECK(current_ == nullptr);
    current_ = this;
  }}

  virtual ~MockDriver() {{ current_ = nullptr; }}
  MockDriver(const MockDriver&) = delete;
  MockDriver& operator=(const MockDriver&) = delete;

{methods}

  DriverTable Table() {{
    DriverTable table;
    LoadDriverTable([](void*, const char*) -> void* {{ return nullptr; }}, nullptr, table);
{binds}
    return table;
  }}

 private:
  inline static MockDriver* current_ = nullptr;
}};

}}  // namespace farlane::server

#endif  // FARLANE_TESTS_SUPPORT_MOCK_DRIVER_H_
"""


def _bind(call):
    names = ", ".join(p.name for p in call.parameters)
    return (
        f"    table.{call.symbol} = []({parameter_list(call)}) {{\n"
        f"      return current_->{call.symbol}({names});\n    }};"
    )


def emit(spec):
    calls = [c for c in spec.calls if c.travel]
    methods = [f"  MOCK_METHOD(CUresult, {c.symbol}, ({parameter_list(c)}));" for c in calls]
    binds = [_bind(c) for c in calls]
    text = _TEXT.format(methods="\n".join(methods), binds="\n".join(binds))
    return {"tests/support/mock_driver.h": text}
