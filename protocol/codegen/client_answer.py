# SPDX-License-Identifier: Apache-2.0
"""Bodies of calls about something the client knows: a device, a handle, the current context, the session.

They answer from it, or do one thing with it that the client's own classes can do.
"""

from client_body import Body, converted, refuse_handles, refuse_nulls, refuse_unsafe, refuse_values
from wire_model import CLIENT_HANDLE_TYPES, HANDLE_TYPES

# What a call may be about, beside its own parameters of these types -> the class that proves and finds it.
WORDS = {"context": "CurrentScope", "session": "SessionScope", "library": "LibraryScope"}
SCOPES = {
    "CUdevice": "DeviceScope", "CUcontext": "ContextScope", "CUstream": "StreamScope", "CUfunction": "FunctionScope",
    "CUkernel": "FunctionScope", "CUmodule": "ModuleScope", "CUlibrary": "ModuleScope", "CUgreenCtx": "GreenScope",
    "CUtexref": "TextureReferenceScope", "CUsurfref": "SurfaceReferenceScope",
}  # fmt: skip


def _open(body, call):
    if call.about in WORDS:
        body.scope(WORDS[call.about])
        refuse_unsafe(body, call)
        return
    parameter = next(p for p in call.parameters if p.name == call.about)
    kind = SCOPES[parameter.type.text]
    if call.needs and kind == "ModuleScope":
        body.scope("CallScope", "context")
    body.scope(kind, argument=parameter.name if kind == "DeviceScope" else f"ToWire({parameter.name})")


def made(parameter):
    """The local variable that `does` fills for a parameter that comes out."""
    return f"made_{parameter.name}"


def fills(call, parameter):
    return made(parameter) in call.does


def _value(call, parameter):
    given = parameter.type.pointee()
    if "always" in parameter.notes:
        said = parameter.notes["always"]
        own = next((p for p in call.parameters if p.name == said), None)
        return str(said) if own is None else converted(own.type, given.text, own.name)
    value = made(parameter) if call.does and "is" not in parameter.notes else f"scope.object().{parameter.notes['is']}"
    if given.text in HANDLE_TYPES or given.text in CLIENT_HANDLE_TYPES:
        return f"FromWire<{given.text}>({value})"
    return value if given.pointers or given.const else f"static_cast<{given.text}>({value})"


def _give(call, parameter):
    line = f"*{parameter.name} = {_value(call, parameter)};"
    if parameter.notes.get("null") == "ok":
        return [f"if ({parameter.name} != nullptr) {{", f"  {line}", "}"]
    return [line]


def gives(parameter):
    return "is" in parameter.notes or "always" in parameter.notes


def _is_text(parameter):
    return gives(parameter) and parameter.shape == "string" and "size" in parameter.notes


def _refuse(body, call):
    if call.about == "context":
        refuse_handles(body, call)
    refuse_nulls(body, call)
    refuse_values(body, call)
    for parameter in call.parameters:
        if "managed" in parameter.notes:
            body.refuse(f"!scope.IsManaged({parameter.name}, {parameter.notes['managed']})", "CUDA_ERROR_INVALID_VALUE")


def _do(body, call):
    filled = [p for p in call.parameters if fills(call, p)]
    if not filled:
        return body.end(f"return {call.does};")
    # All that comes out by number or handle has 64 bits inside of the client.
    body.add(*[f"uint64_t {made(p)} = 0;" for p in filled], f"const CUresult result = {call.does};")
    body.refuse("result != CUDA_SUCCESS", "result")
    for parameter in filled:
        body.add(*_give(call, parameter))
    return body.end("return CUDA_SUCCESS;")


def body(call):
    out = Body(call)
    _open(out, call)
    _refuse(out, call)
    if call.does:
        return _do(out, call)
    for parameter in call.parameters:
        if gives(parameter) and not _is_text(parameter):
            out.add(*_give(call, parameter))
        if "sets" in parameter.notes:
            out.add(f"scope.object().{parameter.notes['sets']} = {parameter.name};")
    text = next((p for p in call.parameters if _is_text(p)), None)
    if text is not None:
        return out.end(f"return CopyText({text.name}, {text.notes['size']}, scope.object().{text.notes['is']});")
    return out.end("return CUDA_SUCCESS;")
