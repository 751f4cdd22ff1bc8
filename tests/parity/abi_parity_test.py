#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds our header and export list against a CUDA toolkit, where one of the spec's version is installed.

Every size, alignment, offset, enum value and constant is printed by one generated program, compiled once against each
header; the prototypes are compared by the compiler. Without a toolkit the test says so and is skipped, never passed.
"""

import argparse
import difflib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
HERE = Path(__file__).parent


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


def toolkit_candidates():
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    compiler = shutil.which("nvcc")
    if compiler:
        yield Path(compiler).resolve().parents[1]
    for place in ("/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True), "/opt/cuda", "/usr"):
        yield Path(place)


def header_version(header):
    found = re.search(r"^#define\s+CUDA_VERSION\s+(\d+)", header.read_text(encoding="utf-8", errors="replace"), re.M)
    return int(found[1]) if found else 0


def find_toolkit(version):
    seen = []
    for root in toolkit_candidates():
        header = root / "include" / "cuda.h"
        if not header.exists():
            continue
        if header_version(header) == version:
            return root
        seen.append(f"{root} has version {header_version(header)}")
    skip(f"no CUDA toolkit of version {version} ({'; '.join(seen) or 'none at all'})")
    return None


def compile_against(arguments, includes, program):
    command = [arguments.compiler, "-std=c++20", "-w", "-DFARLANE_PARITY_REFERENCE"]
    command += [*(f"-I{folder}" for folder in includes), str(arguments.source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr)
        sys.exit("the dump does not compile against the toolkit: a prototype or a name of the spec is wrong")


def compare_layouts(ours, theirs):
    runs = [subprocess.run([p], capture_output=True, text=True, check=True) for p in (ours, theirs)]
    left, right = (run.stdout.splitlines() for run in runs)
    difference = list(difflib.unified_diff(left, right, "spec", "toolkit", lineterm="", n=1))
    print("\n".join(difference) or f"{len(left)} sizes, offsets and values agree")
    return not difference


def compare_exports(version_script, stub):
    if not stub.exists():
        print("no stub library in the toolkit: the export list was not compared")
        return True
    listed = subprocess.run(["nm", "-D", "--defined-only", stub], capture_output=True, text=True, check=True).stdout
    theirs = {line.split()[-1] for line in listed.splitlines() if re.search(r" T cu[A-Z]", line)}
    ours = set(re.findall(r"^\s+(cu\w+);", version_script.read_text(encoding="utf-8"), re.M))
    missing = sorted(theirs - ours)
    print("\n".join(f"not exported by us: {name}" for name in missing) or f"{len(theirs)} exported names are ours too")
    return bool(theirs) and not missing


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--dump", type=Path, required=True, help="the program compiled against our header")
    parser.add_argument("--source", type=Path, required=True, help="its source")
    parser.add_argument("--version-script", type=Path, required=True)
    arguments = parser.parse_args()
    dump = arguments.dump.resolve()
    ours = subprocess.run([dump], capture_output=True, text=True, check=True).stdout
    version = int(re.search(r"^CUDA_VERSION = (\d+)$", ours, re.M)[1])
    toolkit = find_toolkit(version)
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference"
        compile_against(arguments, [HERE / "stand_in", toolkit / "include"], reference)
        same = compare_layouts(dump, reference)
    same &= compare_exports(arguments.version_script, toolkit / "lib64" / "stubs" / "libcuda.so")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
