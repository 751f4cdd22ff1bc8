# SPDX-License-Identifier: Apache-2.0
"""What an entry point of the client does first where a program has several servers: finds the one that it is about.

It follows from the types of the parameters. A stream decides; without one the first handle, then an address, then a
device. See client-shim/route.h.
"""

from client_copy import sides

_HANDLES = ("CUcontext", "CUevent", "CUmodule", "CUlibrary", "CUgraph", "CUgraphNode", "CUgraphExec", "CUarray",
            "CUmipmappedArray", "CUmemoryPool", "CUtexref", "CUsurfref", "CUgreenCtx")  # fmt: skip
_KERNELS = ("CUfunction", "CUkernel")
# About the kernel as it was loaded; every other call is about the one that stands for it on the server of the call.
_AT_HOME = ("cuKernelGetLibrary", "cuKernelGetName", "cuFuncGetName", "cuKernelGetParamInfo", "cuFuncGetParamInfo",
            "cuFuncGetModule")  # fmt: skip
# What reaches, or would reach, over two servers: the function of client-shim/across.h and its arguments.
_ACROSS = {"cuDeviceCanAccessPeer": "AskPeersAcross({1}, {2}, {0}", "cuDeviceGetP2PAttribute": "AskPeersAcross({2}, {3}, {0}",
           "cuCtxEnablePeerAccess": "OpenPeerAcross({0}", "cuCtxDisablePeerAccess": "ClosePeerAcross({0}",
           "cuStreamWaitEvent": "WaitAcross({stream}, {1}, {2}"}  # fmt: skip
# Their body asks, and only about what it does not know: with so many arguments the question costs too much here.
_IN_BODY = ("cuLaunchKernel", "cuLaunchKernelEx", "cuLaunchCooperativeKernel")
# Pointers of the program that are addresses of ours.
_POINTERS = {"cuMemFreeHost": "p", "cuMemHostUnregister": "p", "cuMemHostGetFlags": "p",
             "cuMemRetainAllocationHandle": "addr"}  # fmt: skip
_PLACES = {"CUmemLocation": "{0}", "CUmemAllocationProp": "{0} != nullptr ? &{0}->location : nullptr",
           "CUmemPoolProps": "{0} != nullptr ? &{0}->location : nullptr"}  # fmt: skip
_OUT_OF_PLACE = ("cuMemPoolGetAccess", "cuMemGetAccess", "cuMemGetAllocationPropertiesFromHandle")


def _named(call, types):
    return [p.name for p in call.parameters if p.type.text in types]


def _stream(call):
    """(expression, whether the call names it) of the stream that a call is on, or None."""
    if call.stream_field:
        parameter, field = call.stream_field
        return f"{parameter.name} != nullptr ? {parameter.name}->{field} : nullptr"
    names = _named(call, ("CUstream",))
    return names[0] if names else None


def _places(call):
    for parameter in call.parameters:
        if parameter.type.pointers == 1 and parameter.type.base in _PLACES and call.symbol not in _OUT_OF_PLACE:
            yield _PLACES[parameter.type.base].format(parameter.name)


def _across(call, stream, canonical):
    """The condition that something reaches over two servers, and then is done."""
    found = sides(call)
    if len(found) == 2:
        wait = "kNo" if stream else "kYes"
        size = next(p.notes.get("address") or p.notes.get("size") for p in found.values())
        return f"CopyAcross({found['to'].name}, {found['from'].name}, {size}, {canonical}({stream or 'nullptr'}), Wait::{wait}, &done)"
    names = [p.name for p in call.parameters]
    across = _ACROSS.get(call.symbol)
    return across.format(*names, stream=f"{canonical}({stream})") + ", &done)" if across else ""


def route(call, canonical):
    """The statements, and nothing for a call that is about whatever is current."""
    if call.symbol in _IN_BODY:
        return []
    stream = _stream(call)
    kernels = _named(call, _KERNELS)
    lines = []
    across = _across(call, stream, canonical)
    if stream:
        lines.append(f"route.FollowStream({stream});")
    elif not across:
        lines += [f"route.Follow({name});" for name in _named(call, _HANDLES)]
        lines += [f"route.FollowHandle({name});" for name in _named(call, ("CUmemGenericAllocationHandle",))]
        addresses = _named(call, ("CUdeviceptr",)) + [_POINTERS.get(call.symbol)]
        lines += [f"route.FollowAddress({name});" for name in addresses if name]
        lines += [f"route.FollowDevice({place});" for place in _places(call)]
    if kernels:
        lines += [f"route.FollowDevice({name});" for name in _named(call, ("CUdevice",))]
        for name in kernels:
            if call.symbol in _AT_HOME:
                lines.append(f"route.Follow({name});")
            else:
                lines += [f"if (const CUresult brought = route.Bring(&{name}); brought != CUDA_SUCCESS) {{",
                          "  return brought;", "}"]  # fmt: skip
    if across:
        lines += [f"if (CUresult done = CUDA_SUCCESS; farlane::shim::{across.replace('Wait::', 'farlane::shim::Wait::')}) {{",
                  "  return done;", "}"]  # fmt: skip
    return ["farlane::shim::Route route;", *lines] if lines else []
