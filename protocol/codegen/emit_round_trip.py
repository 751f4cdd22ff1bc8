# SPDX-License-Identifier: Apache-2.0
"""tests/wire/round_trip_test.cc: every message there and back, and every way of cutting it short.

tests/wire/every_message.h: the names of all messages and replies, for tests that try each.
"""

from wire_model import messages

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Every message keeps its values on the way, and no shortened or lengthened form of it is taken for one.
#include <gtest/gtest.h>

#include "tests/wire/round_trip.h"

namespace farlane::wire {
namespace {

"""


def _fill(fields):
    lines = []
    for index, field in enumerate(fields):
        if field.type == "bytes":
            lines.append(f"  message.{field.name} = values.TakeBytes({3 + 5 * index});")
        elif field.type == "string":
            lines.append(f"  message.{field.name} = values.TakeString({1 + 7 * index});")
        else:
            lines.append(f"  values.Take(&message.{field.name});")
    return lines


def _compare(fields):
    return [f"  EXPECT_TRUE(Same(message.{f.name}, back.{f.name}));" for f in fields]


def _test(name, fields, framed):
    return [
        f"TEST(RoundTrip, {name}) {{",
        "  Values values;",
        f"  {name} message;",
        *_fill(fields),
        f"  {name} back;",
        f"  const ConstBytes body = Encoded{'Message' if framed else 'Reply'}(message, values);",
        "  ASSERT_EQ(Decode(body, &back), WireError::kNone);",
        *_compare(fields),
        "  ExpectOnlyWhole<decltype(back)>(body);",
        "}",
        "",
    ]


_NAMES_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// FARLANE_EVERY_MESSAGE(Do) says Do(Name) for every message and every reply that has a body.
#pragma once

#define FARLANE_EVERY_MESSAGE(Do) \\
"""


def _names(found):
    names = list(found) + [f"{name}Reply" for name, message in found.items() if message.reply]
    return _NAMES_HEAD + " \\\n".join(f"  Do({name})" for name in names) + "\n"


def emit(spec):
    out = [_HEAD]
    found = messages(spec)
    for name, message in found.items():
        out += _test(name, message.fields, True)
        if message.reply:
            out += _test(f"{name}Reply", message.reply, False)
    return {
        "tests/wire/round_trip_test.cc": "\n".join(out + ["}  // namespace", "}  // namespace farlane::wire", ""]),
        "tests/wire/every_message.h": _names(found),
    }
