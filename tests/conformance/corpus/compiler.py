# SPDX-License-Identifier: Apache-2.0
"""Compiles programs, each once: a second run finds everything in the cache.

The cache knows a program by its command, the compiler and the text of all its sources. A program
that does not compile is remembered as well, with what the compiler said. What the tables add to a
source is added to a copy, which is gone afterwards.
"""
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import subprocess
import threading
from pathlib import Path

from catalogue import Program
from place import copy_of

SOURCE_SUFFIXES = (".cu", ".cuh", ".cpp", ".cc", ".c", ".h", ".hpp", ".inl", ".inc", ".cuinc")
LIMIT_S = 3600
SHOW = Path(__file__).resolve().parent / "show.h"  # what added lines may call


@dataclasses.dataclass(frozen=True)
class Built:
    """A program's files, or why there are none."""

    folder: Path | None
    reason: str = ""

    @property
    def program(self) -> Path:
        return self.folder / "program"


class Compiler:
    """Thread: any; each program from one thread at a time."""

    def __init__(self, nvcc: str, sources: Path, cache: Path, jobs: int, only_known=False):
        self.nvcc = nvcc
        self.sources = sources
        self.cache = cache
        self.only_known = only_known
        self.slots = threading.BoundedSemaphore(jobs)
        self.versions: dict[str, str] = {}

    def build(self, program: Program) -> Built:
        folder = self.sources / program.suite / program.folder
        if not folder.is_dir():
            return Built(None, f"lacks its sources: no {program.suite}/{program.folder}")
        files = self.files(program, folder)
        if not files:
            return Built(None, "lacks its sources: no file matches")
        commands = self.commands(program, files)
        key = self.key(program, commands, folder)
        target = self.cache / program.suite / f"{program.name}-{key}"
        if self.only_known and not (target / "result.json").exists():
            return Built(None, "not compiled yet")
        target.mkdir(parents=True, exist_ok=True)
        with open(target / "lock", "w") as lock:
            # Of two runs with one cache the second finds what the first has made.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (target / "result.json").exists():
                with self.slots, changed(program, folder) as place:
                    self.compile(commands, place, target)
        if not (target / "result.json").exists():
            return Built(None, f"compile: not done after {LIMIT_S} s")
        result = json.loads((target / "result.json").read_text())
        return Built(target) if result["code"] == 0 else Built(None, result["reason"])

    @staticmethod
    def files(program: Program, folder: Path) -> list[str]:
        found = []
        for pattern in program.sources:
            root = folder
            while pattern.startswith("../"):
                root, pattern = root.parent, pattern[3:]
            found += sorted(os.path.relpath(path, folder) for path in root.glob(pattern))
        return found

    def commands(self, program: Program, files: list[str]) -> list[list[str]]:
        host = program.compiler != "nvcc"
        common = [program.compiler] if host else [self.nvcc, f"-arch={program.arch}"]
        common += ["-include", str(SHOW)] if program.adds else []
        common += [flag.replace("{sources}", str(self.sources)) for flag in program.flags]
        # A library that is named before what needs it is not linked by the host's compiler.
        libraries = [flag for flag in program.flags if host and flag.startswith("-l")]
        commands = [[*common, "-o", "{target}/program", *files, *libraries]]
        for module, source in program.modules.items():
            kind = f"-{module.rpartition('.')[2]}"
            commands.append([*common, kind, "-o", "{target}/" + module, source])
        return commands

    def version(self, command: str) -> str:
        if command not in self.versions:
            done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
            self.versions[command] = done.stdout
        return self.versions[command]

    def key(self, program: Program, commands: list[list[str]], folder: Path) -> str:
        """Of the command, the compiler and every source under the program's folder."""
        version = self.version(commands[0][0])
        digest = hashlib.sha256(json.dumps([version, commands]).encode())
        if program.adds:
            digest.update(json.dumps(program.adds, sort_keys=True).encode() + SHOW.read_bytes())
        for path in sorted(folder.rglob("*")):
            if path.suffix in SOURCE_SUFFIXES and path.is_file():
                digest.update(str(path.relative_to(folder)).encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def compile(self, commands: list[list[str]], folder: Path, target: Path) -> None:
        code, log = 0, ""
        for command in commands:
            words = ["nice", *(word.replace("{target}", str(target)) for word in command)]
            try:
                done = subprocess.run(
                    words,
                    cwd=folder,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    timeout=LIMIT_S,
                    check=False,
                )
                code, log = code or done.returncode, log + done.stdout
            except subprocess.TimeoutExpired:
                return  # says more about the machine than about the program: not remembered
        (target / "log").write_text(log)
        # Last, and in one step: a compilation cut short is none.
        part = target / "result.part"
        part.write_text(json.dumps({"code": code, "reason": first_error(log)}))
        part.rename(target / "result.json")


@contextlib.contextmanager
def changed(program: Program, folder: Path):
    """Where to compile: among the sources, or where something is added, in a copy of them."""
    if not program.adds:
        yield folder
        return
    with copy_of(folder) as place:
        for name, lines in program.adds.items():
            text = (place / name).read_text(errors="surrogateescape").splitlines(keepends=True)
            for number, added in sorted(lines, reverse=True):
                text.insert(number - 1, f"{added}\n")
            (place / name).write_text("".join(text), errors="surrogateescape")
        yield place


def first_error(log: str) -> str:
    for line in log.splitlines():
        if "error" in line or "undefined reference" in line:
            return f"compile: {line.strip()[:200]}"
    return "compile: the compiler gave no program"
