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
    "compiler": "nvcc",
    "adds": {},
    "reference": {},
}
# What a reference may say beside what a program says; the rest is of how its twin is built and run.
AGREEMENT = {
    "compares": ["stdout"],
    "ignores": r"(?i)\btimes?\b|[0-9.]+ *[mu]?s\b|seconds?\b|\bbandwidth|throughput|\b[KMGT]i?B/s|flops?\b|device",
    "text": False,
    "threads": 1,
    "whole": 0,
    "relative": 0.0,
    "absolute": 0.0,
    "outliers": 0.0,
}


MODELS = Path(__file__).resolve().parent / "models"
MODEL_FLAGS = ["-std=c++20", "-O2"]


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
    compiler: str  # "nvcc", or "g++" or "gcc" for a twin that runs on the processor
    adds: dict[str, tuple[tuple[int, str], ...]]  # file -> lines of ours, each before a line of it
    reference: "Reference | None"  # what says which results are right, if the program does not

    @property
    def title(self) -> str:
        return f"{self.suite}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Reference:
    """A host twin, which must come to the same results: the same public program for the processor.

    Where there is none, it is a model: a program of this project, in the folder `models`.
    """

    twin: Program
    compares: tuple[str, ...]  # "stdout", or a file that both write; ":float" of binary numbers
    ignores: str  # lines that match may differ; they tell how long it took and on what
    text: bool  # whether words are results, too
    threads: int  # of a parallel region, where a twin counts on them; one has no races of its own
    whole: int  # how far two whole numbers may be apart
    relative: float  # and how far two others: by this share of the larger, or
    absolute: float  # by this
    outliers: float  # the share of numbers that may be further apart

    def __str__(self) -> str:
        most = [f"{name} {getattr(self, name):g}" for name in ("whole", "relative", "absolute", "outliers")
                if getattr(self, name)]
        own = self.twin.folder == str(MODELS)
        said = f"model {self.twin.sources[0]}" if own else f"host twin {self.twin.folder}"
        return said + (f" within {', '.join(most)}" if most else "")


def reference(suite: str, stage: str, name: str, fields: dict) -> Reference:
    agreement = {key: fields.get(key, value) for key, value in AGREEMENT.items()}
    agreement["compares"] = tuple(agreement["compares"])
    if not agreement["compares"]:
        raise BadTable(f"{suite}/{name}: its reference compares nothing")
    rest = {key: value for key, value in fields.items() if key not in AGREEMENT}
    if "model" in rest:
        rest |= {"folder": str(MODELS), "sources": [rest.pop("model")], "flags": MODEL_FLAGS}
    twin = {**DEFAULTS, "compiler": "g++", "says": "", "launches": False, **rest}
    return Reference(program(suite, stage, f"{name}.twin", twin), **agreement)


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
    if values["compiler"] not in ("nvcc", "g++", "gcc"):
        raise BadTable(f"{suite}/{name}: no such compiler: {values['compiler']}")
    values["adds"] = {
        file: tuple((int(line), str(text)) for line, text in lines)
        for file, lines in values["adds"].items()
    }
    described = values["reference"]
    values["reference"] = reference(suite, stage, name, described) if described else None
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
