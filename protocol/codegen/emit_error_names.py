# SPDX-License-Identifier: Apache-2.0
"""protocol/abi/error_names.inc: one row per result, for whoever defines FARLANE_RESULT(name, text)."""

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Every result of the driver API with our words for it. Generated from protocol/spec/types/errors.toml.
// Define FARLANE_RESULT(name, text) before including; rows are in order of their numbers.
"""


def emit(spec):
    names = sorted(spec.errors.values, key=spec.errors.values.get)
    rows = [f'FARLANE_RESULT({name}, "{spec.error_texts[name]}")' for name in names]
    return {"protocol/abi/error_names.inc": _HEAD + "\n".join(rows) + "\n"}
