# SPDX-License-Identifier: Apache-2.0
"""What people and machines read of a run: a line per program, a summary, a JSON file."""
import collections
import dataclasses
import json
from pathlib import Path

from catalogue import Program

PASSED, FAILED, NOT_RUN = "pass", "FAIL", "-"


@dataclasses.dataclass
class Row:
    """What became of one program. Each of the three is PASSED, FAILED or NOT_RUN."""

    program: Program
    compiled: str = NOT_RUN
    direct: str = NOT_RUN
    remote: str = NOT_RUN
    seconds: float = 0.0
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.direct == PASSED and self.remote == PASSED


def heading() -> str:
    return f"{'program':<44} {'stage':<5} {'nvcc':<5} {'direct':<6} {'remote':<6} {'s':>6}  reason"


def line(row: Row) -> str:
    said = row.reason or (f"by {row.program.reference}" if row.program.reference else "")
    return (
        f"{row.program.title:<44} {row.program.stage:<5} {row.compiled:<5} {row.direct:<6} "
        f"{row.remote:<6} {row.seconds:>6.1f}  {said}"
    ).rstrip()


def kind_of(reason: str) -> str:
    return reason.partition(":")[0]


def summary(rows: list[Row]) -> str:
    lines = [f"{'stage':<6} {'programs':>8} {'compiled':>8} {'direct':>8} {'both':>8}"]
    stages = sorted({row.program.stage for row in rows})
    for stage in [*stages, "all"]:
        some = [row for row in rows if stage in ("all", row.program.stage)]
        lines.append(
            f"{stage:<6} {len(some):>8} {sum(row.compiled == PASSED for row in some):>8} "
            f"{sum(row.direct == PASSED for row in some):>8} {sum(row.passed for row in some):>8}"
        )
    kinds = collections.Counter(kind_of(row.reason) for row in rows if not row.passed)
    lines += [f"{count:>5}  {kind}" for kind, count in kinds.most_common()]
    return "\n".join(lines)


def passed_before(programs: list[Program], table: Path | None) -> list[Row]:
    """The rows of an earlier run that need no other."""
    if not table:
        return []
    known = {program.title: program for program in programs if not program.lacks}
    return [
        Row(known[row["program"]], PASSED, PASSED, PASSED, row["seconds"])
        for row in json.loads(table.read_text())
        if row["program"] in known and row["direct"] == row["remote"] == PASSED
    ]


def write_json(rows: list[Row], path: Path) -> None:
    table = [
        {
            "program": row.program.title,
            "stage": row.program.stage,
            "compiled": row.compiled,
            "direct": row.direct,
            "remote": row.remote,
            "seconds": round(row.seconds, 2),
            "judged by": str(row.program.reference or "its own check"),
            "reason": row.reason,
        }
        for row in rows
    ]
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(table, indent=1) + "\n")
    part.rename(path)
