# SPDX-License-Identifier: Apache-2.0
"""Bodies of calls that load device code: into the current context as a module, or as a library that needs none."""

from client_body import Body, refuse_nulls


def made(call):
    """The parameter that gets the handle of what was loaded, or None."""
    return next((p for p in call.parameters if p.notes.get("creates") in ("module", "library")), None)


def options(call):
    """(number, names, values) of the options for the compiler; all empty where the call takes none."""
    names = next((p for p in call.parameters if p.type.text == "CUjit_option*"), None)
    if names is None:
        return "0", "nullptr", "nullptr"
    values = call.parameters[call.parameters.index(names) + 1]
    count = names.notes.get("count")
    return count, names.name, values.name


def body(call):
    out, result = Body(call), made(call)
    module = result.notes["creates"] == "module"
    out.scope("CallScope" if module else "SessionScope")
    refuse_nulls(out, call)
    load = "LoadImageFile" if call.image.notes["in"] == "image_file" else "LoadImage"
    context = "scope.context(), scope.device()" if module else "0, 0"
    out.add(
        "wire::Handle loaded = 0;",
        f"const CUresult result = {load}(scope.session(), {context}, {call.image.name}, {', '.join(options(call))}, &loaded);",
        "if (result == CUDA_SUCCESS) {",
        f"  *{result.name} = FromWire<{result.type.pointee().text}>(loaded);",
        "}",
    )
    return out.end("return result;")
