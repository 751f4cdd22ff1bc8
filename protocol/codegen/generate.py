#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns protocol/spec into every generated file of the build.

    generate.py --out DIR     writes the files below DIR, touching only those that changed
    generate.py --list        prints their names, for CMake
    generate.py --update-lock writes protocol/spec/wire.lock after a wanted change of the wire
"""

import argparse
import sys
from pathlib import Path

import emit_cuda_abi
import emit_driver_table
import emit_entry_points
import emit_soft_forwards
import emit_error_names
import emit_fuzz_seeds
import emit_messages
import emit_mock_driver
import emit_nvml
import emit_nvml_parity
import emit_parity_dump
import emit_proc_table
import emit_error_matrix
import emit_support_matrix
import emit_capture_shapes
import emit_client_calls
import emit_dispatch
import emit_round_trip
import lint
import model
import nvml_model
import wire_lock
import wire_model

# One line per kind of output; each module has emit(spec) -> {path below DIR: text}.
EMITTERS = [
    emit_cuda_abi,
    emit_driver_table,
    emit_entry_points,
    emit_soft_forwards,
    emit_error_names,
    emit_fuzz_seeds,
    emit_messages,
    emit_round_trip,
    emit_dispatch,
    emit_capture_shapes,
    emit_client_calls,
    emit_mock_driver,
    emit_parity_dump,
    emit_proc_table,
    emit_support_matrix,
    emit_error_matrix,
]
# The same for the tables of NVML, which are of a kind of their own.
NVML_EMITTERS = [emit_nvml, emit_nvml_parity]


def generate(spec, nvml):
    files = {}
    for emitter, source in [(e, spec) for e in EMITTERS] + [(e, nvml) for e in NVML_EMITTERS]:
        for path, text in emitter.emit(source).items():
            if path in files:
                raise model.SpecError(f"two emitters write {path}")
            files[path] = text
    return files


def write_if_changed(path, text):
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Generates Farlane's sources from the spec.")
    parser.add_argument("--spec", type=Path, default=Path(__file__).parents[1] / "spec")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--update-lock", action="store_true", help="rewrite wire.lock after a change of the wire")
    arguments = parser.parse_args()
    try:
        spec = model.load(arguments.spec)
        if arguments.update_lock:
            wire_lock.update(arguments.spec / "wire.lock", wire_model.messages(spec))
        nvml = nvml_model.load(arguments.spec / "nvml")
        complaints = [*lint.check(spec), *nvml_model.check(nvml)]
        files = generate(spec, nvml) if not complaints else {}
    except model.SpecError as error:
        complaints = [str(error)]
    if complaints:
        print("\n".join(f"spec: {c}" for c in complaints), file=sys.stderr)
        return 1
    if arguments.list:
        print("\n".join(sorted(files)))
    elif arguments.out:
        for path, text in files.items():
            write_if_changed(arguments.out / path, text)
    elif not arguments.update_lock:
        parser.error("say --out DIR, --list or --update-lock")
    return 0


if __name__ == "__main__":
    sys.exit(main())
