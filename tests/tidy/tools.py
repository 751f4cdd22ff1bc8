# SPDX-License-Identifier: Apache-2.0
"""Rules that another program knows best."""

import re
import shutil
import subprocess
import sys

from tree import Skipped

FORMATTED = (".cc", ".h", ".cu")
FORMATTER = "clang-format-14"  # other versions lay out differently


def check_wire_lock(tree):
    """The generator refuses a wire that differs from the committed lock."""
    script = tree.root / "protocol/codegen/generate.py"
    done = subprocess.run([sys.executable, "-B", script, "--list"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    said = (done.stderr + done.stdout).strip().splitlines() or ["no reason given"]
    return [f"protocol/spec/wire.lock:1: {line}" for line in said]


def check_clang_format(tree):
    if not shutil.which(FORMATTER):
        raise Skipped(f"{FORMATTER} is not installed, so nothing is known about the layout")
    paths = tree.of_kind(*FORMATTED)
    if not paths:
        return []
    done = subprocess.run([FORMATTER, "--dry-run", "--Werror", *paths], cwd=tree.root, capture_output=True, text=True,
                          check=False)
    first = {}  # one complaint a file
    for path, line in re.findall(r"^([^:\n]+):(\d+):\d+: (?:error|warning)", done.stderr, re.MULTILINE):
        first.setdefault(path, line)
    if done.returncode != 0 and not first:
        return [f"{FORMATTER} failed: {done.stderr.strip()}"]
    return [f"{path}:{line}: not as {FORMATTER} lays it out" for path, line in first.items()]
