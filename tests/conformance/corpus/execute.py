# SPDX-License-Identifier: Apache-2.0
"""Starts a program on one of the two libraries and gives back what it did."""
import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path

OUTPUT_BYTES_MAX = 4 << 20
WRITTEN_BYTES_MAX = 64 << 20


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One finished run. `code` is negative for a signal, as Python has it."""

    code: int
    output: str
    errors: str
    seconds: float
    timed_out: bool = False
    written: dict[str, bytes] = dataclasses.field(default_factory=dict)


def settings(library: Path, more: dict[str, str]) -> dict[str, str]:
    """The caller's environment without what could lead to another device or server."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("FARLANE_", "CUDA_", "LD_"))
    }
    return {**kept, "LD_LIBRARY_PATH": str(library), **more}


@contextlib.contextmanager
def family(remote: bool):
    """What makes the processes of one run share devices, as `farlane run` does."""
    if remote:
        yield {"FARLANE_SESSION": f"{secrets.token_hex(16)}.{secrets.token_hex(32)}"}
        return
    devices = os.memfd_create("farlane-devices", os.MFD_CLOEXEC)
    try:
        yield {"FARLANE_SOFT_SHARED": f"/proc/{os.getpid()}/fd/{devices}"}
    finally:
        os.close(devices)


def end_group(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


RUNNING: set[subprocess.Popen] = set()


def end_all() -> None:
    """For a signal handler: what runs ends, and nothing of it goes on alone."""
    for process in list(RUNNING):
        end_group(process)


def execute(program: Path, arguments: tuple[str, ...], environment: dict[str, str],
            limit_s: float) -> Outcome:
    """Runs it where it lies; whatever it started ends with it."""
    start = time.monotonic()
    out, err = program.parent / ".stdout", program.parent / ".stderr"
    with open(out, "wb") as output, open(err, "wb") as errors:
        process = subprocess.Popen(
            [f"./{program.name}", *arguments],
            cwd=program.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
        RUNNING.add(process)
        timed_out = False
        try:
            process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        end_group(process)
        process.wait()
        RUNNING.discard(process)
    seconds = time.monotonic() - start
    return Outcome(process.returncode, text_of(out), text_of(err), seconds, timed_out)


def written(place: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Those of the files that a run has left, and that are not too large to compare."""
    found = {}
    for name in names:
        path = place / name
        if path.is_file() and path.stat().st_size <= WRITTEN_BYTES_MAX:
            found[name] = path.read_bytes()
    return found


def text_of(path: Path) -> str:
    """The file, of a long one its start and its end."""
    with open(path, "rb") as file:
        data = file.read(OUTPUT_BYTES_MAX)
        rest = os.fstat(file.fileno()).st_size - len(data)
        if rest > 0:
            file.seek(-min(rest, OUTPUT_BYTES_MAX), os.SEEK_END)
            data += b"\n" + file.read()
    return data.decode(errors="replace")
