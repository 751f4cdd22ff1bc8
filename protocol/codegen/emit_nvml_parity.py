# SPDX-License-Identifier: Apache-2.0
"""tests/nvml_parity_dump.cc: prints every layout and number of NVML, from our header or from NVIDIA's."""

import emit_parity_dump

_HEAD = """\
#ifdef FARLANE_PARITY_REFERENCE
#define NVML_NO_UNVERSIONED_FUNC_DEFS  // a name is the function of this name
#include <nvml.h>
#else
#include "protocol/nvml/nvml_abi.h"
#endif"""


def emit(nvml):
    if not nvml.calls:
        return {}
    prototypes = [
        emit_parity_dump.same(c.symbol, c.prototype.result.text, ", ".join(p.type.text for p in c.parameters))
        for c in nvml.calls
    ]
    return {"tests/nvml_parity_dump.cc": emit_parity_dump.program(_HEAD, "\n".join(prototypes), nvml.types)}
