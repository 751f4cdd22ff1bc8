# SPDX-License-Identifier: Apache-2.0
"""tests/support/mock_driver.h: a gmock of the driver calls that somebody uses."""

from symbols import parameter_list

# What the standard's names are on the platforms we build for.
_STANDARD = {"size_t": "unsigned long", "uint64_t": "unsigned long", "uint32_t": "unsigned int"}
_HEADER = """\
// SPDX-License-Identifier: Apache-2.0
// A driver that a test scripts: one mock method per call that the spec lets travel.
// Generated from protocol/spec/calls. Function pointers carry no object, so one MockDriver may live at a time; calls
// that are not mocked answer CUDA_ERROR_NOT_FOUND, as with a driver that lacks them.
#pragma once

#include <gmock/gmock.h>

#include "gpu-server/driver/driver_table.h"

// Compiled once in mock_driver.cc: they are most of what a mock costs the compiler.
namespace testing::internal {{
{extern_templates}
}}  // namespace testing::internal

namespace farlane::server {{

// Stands behind the DriverTable that Table() returns, for as long as it lives.
// Thread: any, as far as gmock is.
class MockDriver {{
 public:
  MockDriver();
  virtual ~MockDriver();
  MockDriver(const MockDriver&) = delete;
  MockDriver& operator=(const MockDriver&) = delete;

  // A table whose calls arrive here.
  DriverTable Table();

{methods}

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

namespace testing::internal {{
{templates}
}}  // namespace testing::internal

namespace farlane::server {{

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


def _bind(call):
    names = ", ".join(p.name for p in call.parameters)
    return (
        f"  table.{call.symbol} = []({parameter_list(call)}) {{\n"
        f"    return current_->{call.symbol}({names});\n  }};"
    )


def _signatures(spec, calls):
    """Distinct function types; two spellings of one type must not be instantiated twice."""
    found = {}
    for call in calls:
        key = tuple(_plain(spec, p.type) for p in call.parameters)
        found.setdefault(key, f"CUresult({parameter_list(call, names=False)})")
    return list(found.values())


def _plain(spec, ctype):
    """The type with every typedef of the spec seen through."""
    aliases = {alias: s.name for s in spec.structs for alias in s.typedefs}
    aliases |= {alias: e.typedef for e in spec.enums for alias in e.typedefs}
    aliases |= {name: t.text for name, t in spec.typedefs.items()}
    aliases |= _STANDARD
    base = ctype.base
    while base in aliases:
        base = aliases[base]
    const = ctype.const and ctype.pointers > 0  # a const value parameter is no part of the function's type
    return (base, ctype.pointers, const, ctype.const_pointer)


def emit(spec):
    calls = [c for c in spec.calls if c.travel]
    signatures = _signatures(spec, calls)
    methods = [f"  MOCK_METHOD(CUresult, {c.symbol}, ({parameter_list(c)}));" for c in calls]
    header = _HEADER.format(
        methods="\n".join(methods),
        extern_templates="\n".join(f"extern template class FunctionMocker<{s}>;" for s in signatures),
    )
    source = _SOURCE.format(
        binds="\n".join(_bind(c) for c in calls),
        templates="\n".join(f"template class FunctionMocker<{s}>;" for s in signatures),
    )
    return {"tests/support/mock_driver.h": header, "tests/support/mock_driver.cc": source}
