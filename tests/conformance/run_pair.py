#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one CUDA program directly on the software GPU and through a private GPU server.

  run_pair.py direct --farlane PATH APP   directly; it must pass
  run_pair.py remote --farlane PATH APP   directly and remotely: both pass, with equal checksums
  run_pair.py mutant --farlane PATH APP   a build with a wrong kernel: it must notice
  run_pair.py servers --farlane PATH APP  directly with two devices, and with a server for each: both agree
  run_pair.py mutant_servers …            a build with a wrong kernel on two servers: it must notice
  run_pair.py gpu    --farlane PATH APP   on NVIDIA's driver, alone and behind a server: both agree
  run_pair.py maps   --farlane PATH APP   the compiler is loaded directly, and never remotely
  run_pair.py skip REASON                 says why a test cannot run here (exit 77)

Every run draws a seed, prints it, and takes --seed to repeat it. No process outlives the run.
"""
import argparse
import contextlib
import dataclasses
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

SKIPPED = 77
TIMEOUT_S = 120
COMPILER = "libLLVM"
NVIDIA_DEVICE = Path("/dev/nvidiactl")


class Wrong(Exception):
    """What the test claims does not hold."""


@dataclasses.dataclass
class Run:
    """One finished run of the program."""

    where: str
    code: int
    output: str
    errors: str

    @property
    def checksum(self) -> str:
        found = re.findall(r"^checksum ([0-9a-f]{16})$", self.output, re.MULTILINE)
        if len(found) != 1:
            raise Wrong(f"{self.where}: {len(found)} checksum lines, not one")
        return found[0]

    def says(self, word: str) -> bool:
        return word in self.output.splitlines()

    def must_be_sound(self) -> None:
        """No sanitizer has a word to say on the program, the libraries or the private server."""
        if "Sanitizer: " in self.errors or "runtime error: " in self.errors:
            raise Wrong(f"{self.where}: a sanitizer has found something")

    def must_pass(self) -> None:
        self.must_be_sound()
        if self.code != 0 or not self.says("PASS"):
            raise Wrong(f"{self.where}: exit code {self.code}, no PASS")


def end_group(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(arguments: argparse.Namespace, where: str, *prefix: str) -> Run:
    """`where` is direct or local, the option of `farlane run`, or the servers; or bare, without Farlane."""
    option = [f"--{where}"] if where in ("direct", "local") else ["--server", where]
    command = [] if where == "bare" else [arguments.farlane, "run", *option, "--"]
    environment = []
    if arguments.preload:
        # Only into the program: what else runs here brings its own sanitizer.
        environment = [f"LD_PRELOAD={arguments.preload}", "ASAN_OPTIONS=detect_leaks=0"]
    if environment or prefix:
        command += ["env", *environment, *prefix]
    command += [arguments.app, "--seed", str(arguments.seed), *arguments.option]
    print("$", *command, flush=True)
    # Of the caller's settings none may lead to another server.
    settings = {k: v for k, v in os.environ.items() if not k.startswith("FARLANE_")}
    settings.update(pair.split("=", 1) for pair in arguments.set)
    if where not in ("direct", "bare"):
        settings["FARLANE_TRACE"] = "summary"
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=settings,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        end_group(process)
        output, errors = process.communicate()
        raise Wrong(f"{where}: not done after {TIMEOUT_S} s\n{output}{errors}") from None
    finally:
        end_group(process)
    print(output + errors, end="", flush=True)
    return Run(where, process.returncode, output, errors)


def counter(text: str, name: str) -> int:
    found = re.findall(rf"\b{name}[= ](\d+)", text)
    if not found:
        raise Wrong(f"the summary of the remote run names no {name}")
    return max(int(value) for value in found)


def direct(arguments: argparse.Namespace) -> None:
    run(arguments, "direct").must_pass()


class Skipped(Exception):
    """What the test needs is not here."""


def must_agree(near: Run, far: Run) -> None:
    near.must_pass()
    far.must_pass()
    if near.checksum != far.checksum:
        raise Wrong(f"checksum {near.checksum} directly, {far.checksum} remotely")
    if near.output != far.output:
        raise Wrong("the checksums agree, but not all that the program said")
    # Else the comparison would hold for two direct runs as well.
    if counter(far.errors, "worker") == 0 or counter(far.errors, "launches") == 0:
        raise Wrong("no worker launched a kernel for the remote run")


def remote(arguments: argparse.Namespace) -> None:
    must_agree(run(arguments, "direct"), run(arguments, "local"))


@contextlib.contextmanager
def two_servers(arguments: argparse.Namespace):
    """Their addresses as FARLANE_SERVER names them: one over a Unix socket, one over TCP. Each has one device."""
    gpud = Path(arguments.farlane).with_name("farlane-gpud")
    settings = {k: v for k, v in os.environ.items() if not k.startswith("FARLANE_")}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        addresses = []
        for listen in (f"unix:{folder}/server", "tcp://127.0.0.1:0"):
            server = subprocess.Popen([gpud, "--driver", "soft", "--listen", listen], stdin=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True, env=settings, start_new_session=True)
            stack.callback(server.wait)
            stack.callback(end_group, server)
            heard = ""
            while not (found := re.search(r" at (unix:\S+|tcp://\S+:\d+)$", heard, re.MULTILINE)):
                line = server.stderr.readline()
                if not line:
                    raise Wrong(f"the server at {listen} ended: {heard}")
                heard += line
            addresses.append(found[1])
            drain = threading.Thread(target=server.stderr.read)
            drain.start()
            stack.callback(drain.join)
            stack.callback(end_group, server)
        yield ",".join(addresses)


def servers(arguments: argparse.Namespace) -> None:
    arguments.set.append("FARLANE_SOFT_DEVICES=2")
    near = run(arguments, "direct")
    with two_servers(arguments) as addresses:
        far = run(arguments, addresses)
    must_agree(near, far)
    if len(re.findall(r"\blaunches=[1-9]", far.errors)) != 2:
        raise Wrong("not both servers launched kernels")


def mutant_servers(arguments: argparse.Namespace) -> None:
    with two_servers(arguments) as addresses:
        must_notice(run(arguments, addresses))


def gpu(arguments: argparse.Namespace) -> None:
    if not NVIDIA_DEVICE.exists():
        raise Skipped(f"{NVIDIA_DEVICE} is not there, so no GPU of NVIDIA's is")
    arguments.option = ["--gentle"]
    near = run(arguments, "bare")
    if near.code == SKIPPED:
        raise Skipped("the program needs more than this GPU")
    must_agree(near, run(arguments, "local"))


def must_notice(result: Run) -> None:
    result.must_be_sound()
    if result.code != 1 or not result.says("FAIL") or "wrong: " not in result.output:
        raise Wrong("the program did not notice its wrong kernel")
    print("the wrong kernel was noticed, as it must be")


def mutant(arguments: argparse.Namespace) -> None:
    must_notice(run(arguments, "direct"))


def loaded_libraries(arguments: argparse.Namespace, where: str) -> str:
    """What the dynamic linker of the program itself reports to have loaded."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "files"
        run(arguments, where, "LD_DEBUG=files", f"LD_DEBUG_OUTPUT={log}").must_pass()
        reports = [report.read_text(errors="replace") for report in Path(folder).iterdir()]
    report = "".join(reports)
    if "libcuda.so.1" not in report:
        raise Wrong(f"{where}: the program loaded no libcuda.so.1")
    return report


def maps(arguments: argparse.Namespace) -> None:
    if COMPILER not in loaded_libraries(arguments, "direct"):
        raise Wrong(f"{COMPILER} is not loaded directly either: this test would prove nothing")
    if COMPILER in loaded_libraries(arguments, "local"):
        raise Wrong(f"the client process loads {COMPILER}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode in (direct, remote, servers, mutant_servers, gpu, mutant, maps):
        sub = modes.add_parser(mode.__name__)
        sub.set_defaults(check=mode, option=[])
        sub.add_argument("--farlane", required=True, help="the farlane command")
        sub.add_argument("--preload", default="", help="a library for LD_PRELOAD of the program")
        sub.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                         help="a variable for the program and for the private server")
        sub.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
        sub.add_argument("app")
    modes.add_parser("skip").add_argument("reason")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    if arguments.mode == "skip":
        print(f"SKIPPED: {arguments.reason}")
        return SKIPPED
    try:
        arguments.check(arguments)
    except Skipped as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    except Wrong as error:
        print(f"FAILED (--seed {arguments.seed} repeats it): {error}")
        return 1
    except OSError as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
