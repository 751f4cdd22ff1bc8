# SPDX-License-Identifier: Apache-2.0
"""Bodies of copies between the program's memory and the device's, whose data travels beside the command."""

from client_body import Body, refuse_nulls

BOXES = ("CUDA_MEMCPY2D", "CUDA_MEMCPY3D", "CUDA_MEMCPY3D_PEER")


def sides(call):
    """{"to": parameter, "from": parameter} of a linear copy; addresses say their access, host memory its direction."""
    found = {}
    for parameter in call.parameters:
        notes = parameter.notes
        if "address" in notes:
            found["to" if notes.get("access") == "write" else "from"] = parameter
        elif parameter.shape == "bytes":
            found["to" if parameter.direction == "out" else "from"] = parameter
    return found


def box(call):
    """The parameter that describes a copy of rows and slices, or None."""
    return next((p for p in call.parameters if p.type.pointers == 1 and p.type.base in BOXES), None)


def _stream(call):
    return "stream" if call.adds_stream else next(p.name for p in call.parameters if p.type.text == "CUstream")


def body(call):
    out = Body(call)
    out.scope("CallScope")
    wait = "Wait::kYes" if call.waits else "Wait::kNo"
    described = box(call)
    if described is not None:
        refuse_nulls(out, call)
        return out.end(f"return CopyBox(scope, *{described.name}, {_stream(call)}, {wait});")
    found = sides(call)
    to, source = found["to"], found["from"]
    bytes_name = to.notes.get("address") or to.notes.get("size")
    return out.end(f"return CopyLinear(scope, {to.name}, {source.name}, {bytes_name}, {_stream(call)}, {wait});")
