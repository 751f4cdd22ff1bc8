# SPDX-License-Identifier: Apache-2.0
"""Compiles programs with nvcc, each once: a second run finds everything in the cache.

The cache knows a program by its command, the compiler and the text of all its sources. A program
that does not compile is remembered as well, with what the compiler said.
"""
import dataclasses
import fcntl
import hashlib
import json
import os
import subprocess
import threading
from pathlib import Path

from catalogue import Program

SOURCE_SUFFIXES = (".cu", ".cuh", ".cpp", ".cc", ".c", ".h", ".hpp", ".inl", ".inc", ".cuinc")
LIMIT_S = 3600


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
        version = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True)
        self.version = version.stdout

    def build(self, program: Program) -> Built:
        folder = self.sources / program.suite / program.folder
        if not folder.is_dir():
            return Built(None, f"lacks its sources: no {program.suite}/{program.folder}")
        files = self.files(program, folder)
        if not files:
            return Built(None, "lacks its sources: no file matches")
        commands = self.commands(program, files)
        target = self.cache / program.suite / f"{program.name}-{self.key(commands, folder)}"
        if self.only_known and not (target / "result.json").exists():
            return Built(None, "not compiled yet")
        target.mkdir(parents=True, exist_ok=True)
        with open(target / "lock", "w") as lock:
            # Of two runs with one cache the second finds what the first has made.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (target / "result.json").exists():
                with self.slots:
                    self.compile(commands, folder, target)
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
        arch = f"-arch={program.arch}"
        common = [self.nvcc, arch, *program.flags]
        commands = [[*common, "-o", "{target}/program", *files]]
        for module, source in program.modules.items():
            kind = f"-{module.rpartition('.')[2]}"
            commands.append([*common, kind, "-o", "{target}/" + module, source])
        return commands

    def key(self, commands: list[list[str]], folder: Path) -> str:
        """Of the command, the compiler and every source under the program's folder."""
        digest = hashlib.sha256(json.dumps([self.version, commands]).encode())
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


def first_error(log: str) -> str:
    for line in log.splitlines():
        if "error" in line or "undefined reference" in line:
            return f"compile: {line.strip()[:200]}"
    return "compile: nvcc gave no program"
