# SPDX-License-Identifier: Apache-2.0
"""Rules about whole files: licence line, length, name."""

import re
from pathlib import PurePath

from floors import STAND_INS

LICENCE = "SPDX-License-Identifier: Apache-2.0"
LICENSED = (".cc", ".h", ".cu", ".c", ".S", ".py", ".sh", ".cmake", ".toml", ".in", ".proto")
LINES_MAX = 600

# Names that tools or customs prescribe.
GIVEN_NAMES = re.compile(r"CMakeLists\.txt|CMakePresets\.json|LICENSE|NOTICE|[A-Z]+\.md|\..+")
NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*(\.S)?")
DASHED_NAME = re.compile(r"[a-z0-9-]+\.(md|json|svg|sh)")
CMAKE_MODULE = re.compile(r"tools/cmake/[A-Z][A-Za-z]+\.cmake")
FOLDER = re.compile(r"[a-z0-9_.-]+")
EMPTY_NAMES = re.compile(r"(^|_)(utils?|hel" r"pers?|common|misc|manager)(_|\.)")


def is_generated(tree, path):
    """Files that a program writes and that are kept nevertheless say so in their first lines."""
    return any("Generated" in line or "Made by" in line for line in tree.lines(path)[:3])


def check_licence(tree):
    complaints = []
    for path in tree.paths:
        name = PurePath(path).name
        first = tree.lines(path)[:2] if path.endswith(LICENSED) or name == "CMakeLists.txt" else None
        if first is None or path.startswith("docs/"):
            continue
        at = first[1:] if first and first[0].startswith("#!") else first[:1]
        if not at or LICENCE not in at[0]:
            complaints.append(f"{path}:1: the first line must be the licence line ({LICENCE})")
    return complaints


def check_length(tree):
    complaints = []
    for path in tree.paths:
        if not path.endswith((".cc", ".h", ".cu", ".S", ".py", ".sh")) or is_generated(tree, path):
            continue
        count = len(tree.lines(path))
        if count > LINES_MAX:
            complaints.append(f"{path}:{count}: {count} lines; a file has at most {LINES_MAX}")
    return complaints


def check_names(tree):
    complaints = []
    for path in tree.paths:
        *folders, name = PurePath(path).parts
        if path.startswith(STAND_INS):
            continue
        good = (GIVEN_NAMES.fullmatch(name) or CMAKE_MODULE.fullmatch(path) or NAME.fullmatch(name)
                or DASHED_NAME.fullmatch(name))
        if not good or not all(FOLDER.fullmatch(folder) for folder in folders):
            complaints.append(f"{path}:1: names are lower_case_with_underscores (documents and scripts may have-dashes)")
        elif EMPTY_NAMES.search(name) and not path.startswith("docs/"):
            complaints.append(f"{path}:1: the name says nothing; a file is named after its one noun")
    return complaints
