# SPDX-License-Identifier: Apache-2.0
"""Words that must not appear, or only where they belong."""

import re

from functions import blank

# Pattern, what to do instead, and the few files where it is right.
BANNED_IN_CODE = [
    (re.compile(r"\busing namespace\b"), "name what is used", ()),
    (re.compile(r"\b(secure_)?getenv\b"), "Environment() (protocol/base/environment.h), from one file per program",
     ("protocol/base/environment.cc", "protocol/base/log.cc", "client-shim/config.cc")),
    (re.compile(r"\b(dynamic_cast|typeid)\b"), "a virtual function or a kind field", ()),
]
UNFINISHED = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b")
# Locks are held by Guarded<T>. Where that cannot be (a wait for a condition, a lock per slot), the file
# or its header has a comment that names Guarded and says why not.
MUTEX = re.compile(r"\bstd::(recursive_|shared_|timed_)?mutex\b")
SAYS_WHY = re.compile(r"//.*\bGuarded\b")

# The project speaks only of itself. Split, so that this file obeys its own rule.
NOT_OURS = [
    re.compile(r"/wo" + r"rk/"),
    re.compile(r"\bhel" + r"pers?\b", re.IGNORECASE),
    re.compile(r"\bissue" + r" #?\d", re.IGNORECASE),
    re.compile(r"\.\./sha" + r"red\b"),
]
SPEAKS_FOR_ITSELF = ("LICENSE",)


def is_program_of_tests(path):
    """Programs under test are written like anybody's: they know nothing of our house."""
    return path.startswith("tests/apps/")


def complaint_about_mutex(tree, path):
    if path == "protocol/base/guarded.h" or not MUTEX.search(blank(tree.text(path))):
        return None
    header = re.sub(r"\.cc$", ".h", path)
    if any(SAYS_WHY.search(tree.text(one)) for one in {path, header} if one in tree.paths):
        return None
    return f"{path}:1: uses std::mutex and no comment says why it is not Guarded (protocol/base/guarded.h)"


def check_code(tree):
    complaints = []
    for path in tree.sources():
        if is_program_of_tests(path):
            continue
        for number, line in enumerate(blank(tree.text(path)).split("\n"), 1):
            for pattern, instead, allowed in BANNED_IN_CODE:
                found = pattern.search(line)
                if found and path not in allowed:
                    complaints.append(f"{path}:{number}: {found[0]}; use {instead}")
        complaints += filter(None, [complaint_about_mutex(tree, path)])
    for path in tree.paths:
        for number, line in enumerate(tree.lines(path), 1):
            if UNFINISHED.search(line) and path not in SPEAKS_FOR_ITSELF:
                complaints.append(f"{path}:{number}: unfinished: {line.strip()}")
    return complaints


def check_only_itself(tree):
    complaints = []
    for path in tree.paths:
        if path in SPEAKS_FOR_ITSELF:
            continue
        for number, line in enumerate([path, *tree.lines(path)]):
            for pattern in NOT_OURS:
                found = pattern.search(line)
                if found:
                    complaints.append(f'{path}:{number}: "{found[0]}" is not a word of this project')
    return complaints
