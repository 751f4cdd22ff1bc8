#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs public CUDA programs directly and through a server, and says which pass.

  run_corpus.py --build build/release --sources DIR            all of the table
  run_corpus.py … --only 'samples/*' --only hecbench/adam-cuda  some of it
  run_corpus.py … --failed table.json                          what did not pass last time
  run_corpus.py … --driver nvidia                              on NVIDIA's driver, not the software GPU
  run_corpus.py --sources DIR --clone                          first fetch what is not there

DIR holds a folder per suite: the programs' own repositories, at the commits that the tables name.
Nothing of them is kept but compiled programs in the cache. A program that does not pass directly is
not run remotely. Exit code 0: every program that could be run passed.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import agreement
import catalogue
import report
from compiler import Built, Compiler
from execute import Outcome, end_all, execute, family, settings, written
from judge import judge
from place import place_of_run
from report import FAILED, PASSED, Row
from server import Server, ServerLost

HERE = Path(__file__).resolve().parent
DEVICE_MEMORY = "6Gi"  # the largest size of four programs does not fit into 4
LIMIT_S_MAX = 3600


class Runner:
    """Thread: any; what the threads share is behind `lock`."""

    def __init__(self, arguments: argparse.Namespace):
        self.build = arguments.build.resolve()
        self.sources = arguments.sources.resolve()
        self.work = arguments.cache
        self.keep = arguments.keep_output
        self.slow = arguments.slow
        self.driver = arguments.driver
        self.compiler = Compiler(
            arguments.nvcc,
            self.sources,
            arguments.cache,
            arguments.compile_jobs,
            only_known=arguments.no_compile,
        )
        self.servers: dict[int, Server] = {}
        self.twins: dict[str, list[Outcome]] = {}  # each is run once and compared twice
        self.lock = threading.Lock()

    def row_of(self, program: catalogue.Program, compile_only: bool) -> Row:
        row = Row(program)
        if program.lacks:
            row.reason = f"lacks {program.lacks}"
            return row
        built = self.compiler.build(program)
        if not built.folder:
            row.compiled = FAILED if built.reason.startswith("compile") else row.compiled
            row.reason = built.reason
            return row
        row.compiled = PASSED
        twin = self.built_twin(row)
        if compile_only or row.reason:
            return row
        row.reason = self.run_twin(program, twin)
        if row.reason:
            return row
        row.direct = self.all_runs(row, built.folder, remote=False)
        if row.direct == PASSED:
            row.remote = self.all_runs(row, built.folder, remote=True)
        return row

    def built_twin(self, row: Row) -> Built | None:
        if not row.program.reference:
            return None
        built = self.compiler.build(row.program.reference.twin)
        if not built.folder:
            row.reason = f"unjudged: its twin: {built.reason}"
        return built

    def run_twin(self, program: catalogue.Program, built: Built | None) -> str:
        """Why there is nothing to compare with, if so."""
        if not program.reference:
            return ""
        twin = program.reference.twin
        if len(twin.runs) != len(program.runs):
            return "unjudged: its twin runs another number of times"
        self.twins[program.title] = []
        # Threads that wait for each other by turning round would take the machine from all others.
        environment = {
            "OMP_NUM_THREADS": str(program.reference.threads),
            "OMP_WAIT_POLICY": "passive",
            "OMP_DYNAMIC": "false",
        }
        for arguments in twin.runs:
            outcome = self.one_run(
                twin, program.reference, built.folder, arguments, settings(Path(""), environment)
            )
            self.keep_output(twin, "twin", arguments, outcome)
            verdict = judge(twin, outcome, remote=False)
            if not verdict.passed:
                return f"unjudged: its twin: {verdict.reason}"
            self.twins[program.title].append(outcome)
        return ""

    def one_run(self, program, reference, built: Path, arguments, environment) -> Outcome:
        folder = self.sources / program.suite / program.folder
        limit_s = min(program.limit_s * self.slow * stretch(), LIMIT_S_MAX)
        with place_of_run(folder, built, arguments, program.inputs) as started:
            outcome = execute(started, arguments, environment, limit_s)
            if reference:
                outcome.written.update(written(started.parent, agreement.files_of(reference)))
        return outcome

    def all_runs(self, row: Row, built: Path, remote: bool) -> str:
        reference = row.program.reference
        for index, arguments in enumerate(row.program.runs):
            try:
                environment = self.environment(row.program, remote)
            except ServerLost as error:
                row.reason = f"no server: {error}"
                return FAILED
            with family(remote) as shared:
                outcome = self.one_run(
                    row.program, reference, built, arguments, {**environment, **shared}
                )
            row.seconds += outcome.seconds
            self.keep_output(row.program, "remote" if remote else "direct", arguments, outcome)
            reason = judge(row.program, outcome, remote).reason
            if reference and not reason:
                twin = self.twins[row.program.title][index]
                reason = agreement.difference(reference, twin, outcome)
            if reason:
                row.reason = f"{'remotely: ' if remote else ''}{reason}"
                return FAILED
        return PASSED

    def environment(self, program: catalogue.Program, remote: bool) -> dict[str, str]:
        libraries = self.build / "lib" / "farlane"
        if not remote and self.driver == "nvidia":
            return settings(Path(os.environ.get("LD_LIBRARY_PATH", "")), {})
        if not remote:
            return settings(libraries / "soft", device_settings(program.devices))
        address = self.server(program.devices).address
        return settings(
            libraries / "client", {"FARLANE_SERVER": address, "FARLANE_TRACE": "summary"}
        )

    def server(self, devices: int) -> Server:
        with self.lock:
            found = self.servers.get(devices)
            if not found or not found.alive():
                found = Server(
                    self.build / "bin" / "farlane-gpud",
                    self.driver,
                    self.work / "server.log",
                    {**os.environ, **device_settings(devices)},
                )
                self.servers[devices] = found
            return found

    def keep_output(self, program, where, arguments, outcome) -> None:
        if not self.keep:
            return
        folder = self.keep / program.suite
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{program.name}.{where}.txt").write_text(
            f"$ {' '.join(arguments)}\n{outcome.output}\n--- stderr\n{outcome.errors}\n"
            f"--- code {outcome.code}, {outcome.seconds:.1f} s\n"
        )

    def end(self) -> None:
        for server in self.servers.values():
            server.end()


def stretch() -> float:
    """Time limits are meant for a machine that has nothing else to do."""
    busy = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return max(busy, 1)


def device_settings(devices: int) -> dict[str, str]:
    return {"FARLANE_SOFT_DEVICES": str(devices), "FARLANE_SOFT_MEMORY": DEVICE_MEMORY}


def chosen(arguments: argparse.Namespace, suites: list[catalogue.Suite]):
    programs = [program for suite in suites for program in suite.programs]
    if arguments.stage:
        programs = [program for program in programs if program.stage in arguments.stage]
    if arguments.only:
        programs = [
            program
            for program in programs
            if any(fnmatch.fnmatchcase(program.title, only) for only in arguments.only)
        ]
    programs = [
        program
        for program in programs
        if not any(fnmatch.fnmatchcase(program.title, skip) for skip in arguments.skip)
    ]
    return sorted(programs, key=lambda program: (program.stage, program.title))


def clone(suites: list[catalogue.Suite], sources: Path) -> None:
    for suite in suites:
        target = sources / suite.name
        if target.exists():
            continue
        target.mkdir(parents=True)
        for words in (
            ["init", "--quiet"],
            ["fetch", "--quiet", "--depth", "1", suite.repository, suite.commit],
            ["checkout", "--quiet", "FETCH_HEAD"],
        ):
            subprocess.run(["git", "-C", target, *words], check=True)


def parse() -> argparse.Namespace:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--sources", type=Path, required=True, help="a folder with one per suite")
    parser.add_argument("--driver", choices=("soft", "nvidia"), default="soft",
                        help="nvidia: directly and remotely on this machine's own GPU")
    parser.add_argument("--tables", type=Path, default=HERE, help="the folder of the tables")
    parser.add_argument("--cache", type=Path, default=home / "farlane-corpus")
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    parser.add_argument("--jobs", type=int, default=2, help="programs at the same time")
    parser.add_argument("--compile-jobs", type=int, default=2, help="compilations among them")
    parser.add_argument("--slow", type=float, default=1.0, help="times all time limits")
    parser.add_argument("--stage", action="append", help="only this stage; repeatable")
    parser.add_argument("--only", action="append", metavar="GLOB", help="suite/name; repeatable")
    parser.add_argument("--skip", action="append", metavar="GLOB", default=[], help="repeatable")
    parser.add_argument("--failed", type=Path, metavar="JSON", help="the rest of this table")
    parser.add_argument("--json", type=Path, help="write the table to this file as well")
    parser.add_argument("--keep-output", type=Path, metavar="DIR", help="what each run printed")
    parser.add_argument("--compile-only", action="store_true")
    parser.add_argument("--no-compile", action="store_true", help="only what the cache has")
    parser.add_argument("--clone", action="store_true", help="fetch suites that are not there")
    return parser.parse_args()


def run_all(runner: Runner, programs: list, arguments: argparse.Namespace) -> list[Row]:
    """Keeps the table up to date while it runs, so that a run cut short is not lost."""
    rows = report.passed_before(programs, arguments.failed)
    kept = {row.program.title for row in rows}
    programs = [program for program in programs if program.title not in kept]
    print(report.heading(), flush=True)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        waiting = [pool.submit(runner.row_of, one, arguments.compile_only) for one in programs]
        try:
            for done in concurrent.futures.as_completed(waiting):
                rows.append(done.result())
                print(report.line(rows[-1]), flush=True)
                if arguments.json:
                    report.write_json(rows, arguments.json)
        finally:
            for one in waiting:
                one.cancel()
    return sorted(rows, key=lambda row: (row.program.stage, row.program.title))


def end_by_signal(number: int, _frame) -> None:
    end_all()
    os._exit(128 + number)


def main() -> int:
    arguments = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    suites = catalogue.read_all(arguments.tables)
    if arguments.clone:
        clone(suites, arguments.sources)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    runner = Runner(arguments)
    try:
        rows = run_all(runner, chosen(arguments, suites), arguments)
    finally:
        runner.end()
    print("\n" + report.summary(rows))
    return 0 if all(row.passed or row.reason.startswith("lacks") for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
