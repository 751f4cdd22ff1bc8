#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds our NVML header against NVIDIA's, where a toolkit has one: layouts, numbers and prototypes.

Without one the test says so and is skipped, never passed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from abi_parity_test import compare_layouts, compile_against, skip, toolkit_candidates


def find_header():
    for root in toolkit_candidates():
        if (root / "include" / "nvml.h").exists():
            return root / "include"
    skip("no CUDA toolkit with an nvml.h")
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--dump", type=Path, required=True, help="the program compiled against our header")
    parser.add_argument("--source", type=Path, required=True, help="its source")
    arguments = parser.parse_args()
    include = find_header()
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference"
        compile_against(arguments, [include], reference)
        return 0 if compare_layouts(arguments.dump.resolve(), reference) else 1


if __name__ == "__main__":
    sys.exit(main())
