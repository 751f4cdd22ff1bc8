# SPDX-License-Identifier: Apache-2.0
"""Rules that another program knows best."""

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
    complaints = []
    for path in tree.of_kind(*FORMATTED):
        done = subprocess.run([FORMATTER, "--dry-run", "--Werror", "--ferror-limit=1", path], cwd=tree.root,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            first = (done.stderr.splitlines() or [path + ": not as clang-format would have it"])[0]
            complaints.append(first)
    return complaints
