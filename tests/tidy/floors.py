# SPDX-License-Identifier: Apache-2.0
"""Who may include whom (docs/architecture.md). The build refuses it for targets, this for #include lines."""

import re

# Folder -> (floor, house). A floor may use those below it, and its own house.
FLOORS = {
    "protocol/base": (0, "base"),
    "protocol/abi": (1, "abi"),
    "protocol/nvml": (1, "nvml"),
    "protocol/wire": (1, "wire"),
    "protocol/transport": (1, "transport"),
    "protocol/tls": (1, "transport"),
    "protocol/token": (1, "token"),
    "protocol/control": (2, "control"),
    "protocol/channel": (2, "channel"),
    "protocol/graph": (2, "graph"),
    "client-shim": (3, "client-shim"),
    "gpu-server": (3, "gpu-server"),
    "soft-gpu": (3, "soft-gpu"),
    "pool-manager": (3, "pool-manager"),
    "tools": (4, "tools"),
    "tests": (5, "tests"),
}
# The command line talks to the houses over sockets only.
TOOLS_MAY_USE_UP_TO = 2
# But for what only reads texts: it says what is in a file, with no device in sight.
TOOLS_MAY_READ = "soft-gpu/ptx/"

# What comes from outside and has one door. Where -> what may be included there only.
DOORS = [
    (re.compile(r"llvm(-c)?/"), ("soft-gpu/jit/",), "LLVM"),
    (re.compile(r"grpc(pp)?/|google/protobuf/"),
     ("protocol/control/", "pool-manager/", "gpu-server/", "tools/farlane/"), "gRPC"),
    (re.compile(r"openssl/"), ("protocol/tls/", "protocol/token/"), "OpenSSL"),
    (re.compile(r"uc[pts]/|infiniband/|rdma/"), ("protocol/transport/",), "UCX and verbs"),
    (re.compile(r"sqlite3\.h|etcd/"), ("pool-manager/",), "the pool's stores"),
    (re.compile(r"curl/"), ("tools/session/",), "HTTP clients"),
    (re.compile(r"nlohmann/"), ("tools/", "pool-manager/api/"), "JSON"),
    (re.compile(r"microhttpd"), ("tools/farlane/", "pool-manager/api/"), "HTTP servers"),
    (re.compile(r"CLI/"), ("tools/", "gpu-server/", "pool-manager/"), "command lines"),
]
# Stand-ins for headers of other projects include each other as those do.
STAND_INS = "tests/parity/stand_in/"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def place(path):
    """(floor, house) of a path, or None."""
    for folder, where in FLOORS.items():
        if path == folder or path.startswith(folder + "/"):
            return where
    return None


def complaint_about(path, bracket, included):
    """What is wrong with this #include, or None."""
    for pattern, allowed, name in DOORS:
        if pattern.match(included):
            allowed_here = path.startswith((*allowed, "tests/"))
            return None if allowed_here else f"{name} may be included only in {', '.join(allowed)}: {included}"
    if bracket == "<":
        return None
    own, other = place(path), place(included)
    if own is None:
        return "lies in no folder that has a floor"
    if other is None:
        return f'"{included}" is not written from the root'
    if own[1] == "tests":
        return None
    if own[1] != other[1] and (other[0] >= own[0] or (own[1] == "tools" and other[0] > TOOLS_MAY_USE_UP_TO
                                                       and not included.startswith(TOOLS_MAY_READ))):
        return f"{own[1]} (floor {own[0]}) must not know {included} ({other[1]}, floor {other[0]})"
    return None


def check(tree):
    complaints = []
    for path in tree.sources():
        if path.startswith(STAND_INS):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            found = INCLUDE.match(line)
            wrong = found and complaint_about(path, found[1], found[2])
            if wrong:
                complaints.append(f"{path}:{number}: {wrong}")
    return complaints
