# SPDX-License-Identifier: Apache-2.0
"""The table of public programs: which there are, how to build, run and judge each.

A suite is one TOML file: a [suite] table with its sources and defaults, and a table per stage with
one line per program. The programs themselves are not part of this project and never copied here.
"""
import dataclasses
import shlex
import tomllib
from pathlib import Path

# A suite's defaults, which a program's own line may replace.
DEFAULTS = {
    "folder": "{name}",
    "sources": ["*.cu"],
    "modules": {},
    "inputs": {},
    "flags": [],
    "arch": "sm_80",
    "runs": [""],
    "says": "PASS",
    "never": r"(?i)\bfail(s|ed|ure)?\b|\bmismatch|\bincorrect\b|\bwaiv|\bcuda error\b",
    "exit": 0,
    "devices": 1,
    "limit_s": 60,
    "lacks": "",
    "launches": True,
}


class BadTable(Exception):
    """A table says something that no program can mean."""


@dataclasses.dataclass(frozen=True)
class Program:
    """One program of the table; paths are relative to the suite's sources."""

    suite: str
    stage: str
    name: str
    folder: str
    sources: tuple[str, ...]  # globs in the folder; ../ leads to neighbours
    modules: dict[str, str]  # fatbin that the program loads by name -> its source
    inputs: dict[str, str]  # file that its repository lacks -> recipe of inputs.py
    flags: tuple[str, ...]
    arch: str
    runs: tuple[tuple[str, ...], ...]  # arguments of each run; all must pass
    says: str  # what the output must match; "" where only the exit code tells
    never: str  # what it must not match
    exit: int
    devices: int
    limit_s: int
    lacks: str  # what it would need and nobody here has
    launches: bool  # whether a run that launches no kernel proves nothing

    @property
    def title(self) -> str:
        return f"{self.suite}/{self.name}"


def program(suite: str, stage: str, name: str, fields: dict) -> Program:
    unknown = set(fields) - set(DEFAULTS)
    if unknown:
        raise BadTable(f"{suite}/{name}: no such field: {', '.join(sorted(unknown))}")
    values = dict(fields)
    values["folder"] = values["folder"].format(name=name)
    values["sources"] = tuple(values["sources"])
    values["flags"] = tuple(values["flags"])
    values["runs"] = tuple(tuple(shlex.split(run)) for run in values["runs"])
    if not values["runs"]:
        raise BadTable(f"{suite}/{name}: no run")
    if not values["says"] and not values["never"]:
        raise BadTable(f"{suite}/{name}: nothing to judge by but the exit code; keep `never`")
    return Program(suite=suite, stage=stage, name=name, **values)


@dataclasses.dataclass(frozen=True)
class Suite:
    """Where a suite's sources come from, and its programs."""

    name: str
    repository: str
    commit: str
    programs: tuple[Program, ...]


def read_suite(path: Path) -> Suite:
    with open(path, "rb") as file:
        table = tomllib.load(file)
    suite = dict(table.pop("suite"))
    repository, commit = suite.pop("repository"), suite.pop("commit")
    defaults = {**DEFAULTS, **suite}
    programs = [
        program(path.stem, stage, name, {**defaults, **fields})
        for stage, lines in table.items()
        for name, fields in lines.items()
    ]
    return Suite(path.stem, repository, commit, tuple(programs))


def read_all(folder: Path) -> list[Suite]:
    return [read_suite(path) for path in sorted(folder.glob("*.toml"))]
