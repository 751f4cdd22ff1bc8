# SPDX-License-Identifier: Apache-2.0
"""Says whether a run passed, and if not, why: by the program's own check and nothing weaker.

A run passes if the exit code is the expected one, the program says what its check says when all is
right, it never says that something is wrong, and its kernels really ran. Of a program that has a
reference instead of a check, agreement.py judges the results.
"""
import dataclasses
import re
import signal

from catalogue import Program
from execute import Outcome

# A kernel that could not run leaves its results as they were, which some checks do not notice.
KERNEL_LOST = re.compile(r"^farlane[^:]*: .*kernel .* cannot run: .*$", re.MULTILINE)
OUR_LINE = re.compile(r"^farlane[^:]*: .*$", re.MULTILINE)
LAUNCHES = re.compile(r"^farlane[^:]*: .*\blaunches[= ](\d+)", re.MULTILINE)
CUDA_SAID = re.compile(
    r"^.*(?:\bcuda ?error|CUDA_ERROR_\w+|cudaError\w+|error code|failed to |not supported).*$",
    re.MULTILINE | re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Verdict:
    passed: bool
    reason: str = ""


def judge(program: Program, outcome: Outcome, remote: bool) -> Verdict:
    kind = failure_kind(program, outcome, remote)
    if not kind:
        return Verdict(True)
    detail = detail_of(outcome)
    return Verdict(False, f"{kind}: {detail}" if detail else kind)


def failure_kind(program: Program, outcome: Outcome, remote: bool) -> str:
    said = outcome.output + "\n" + without_ours(outcome.errors)
    if KERNEL_LOST.search(outcome.errors):
        return "kernel not run"
    if outcome.timed_out:
        return f"timeout, {program.limit_s} s"
    if outcome.code < 0:
        return f"crash, {signal.Signals(-outcome.code).name}"
    wrong = re.search(program.never, said) if program.never else None
    if wrong:
        return f"says {wrong.group(0)!r}"
    if outcome.code != program.exit:
        return f"exit code {outcome.code}"
    if program.says and not re.search(program.says, said):
        return "says nothing"
    if remote and program.launches and launches(outcome.errors) == 0:
        return "launched nothing"
    return ""


def launches(errors: str) -> int:
    return max((int(count) for count in LAUNCHES.findall(errors)), default=0)


def without_ours(errors: str) -> str:
    return OUR_LINE.sub("", errors)


def detail_of(outcome: Outcome) -> str:
    """The line most likely to name the cause."""
    lost = KERNEL_LOST.search(outcome.errors)
    if lost:
        return shortened(lost.group(0))
    ours = [line for line in OUR_LINE.findall(outcome.errors) if "launches" not in line]
    if ours:
        return shortened(ours[0])
    said = CUDA_SAID.search(without_ours(outcome.errors)) or CUDA_SAID.search(outcome.output)
    if said:
        return shortened(said.group(0))
    lines = [line for line in (outcome.output + outcome.errors).splitlines() if line.strip()]
    return shortened(lines[-1]) if lines and "launches" not in lines[-1] else ""


def shortened(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= 240 else line[:237] + "..."
