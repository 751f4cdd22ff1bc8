# SPDX-License-Identifier: Apache-2.0
"""How a modelled device's time is shared in one situation each, as its own record shows. Every function is given a server
(model_sessions.Model) and returns what it has measured; what is good enough, its caller says."""

import bisect
import os
import signal
import time

from busy_record import SECOND
from model_sessions import MILLISECOND, blocks
from real_server import SLOWNESS, seconds_until

# Kernels of 20 microseconds to 5 milliseconds; the two have different lengths on average: 1.555 and 0.318 ms.
LONG = blocks(0.02, 0.2, 1, 5)
SHORT = blocks(0.02, 0.05, 0.2, 1)
EACH = [blocks(0.02, 0.2), blocks(0.2, 1), blocks(1, 5), blocks(5)]
# After so long, in seconds, it is known who needs turns.
SETTLE = 0.5
# A part of the device's time is one by now if it is in the next so much of its work.
SOON = 250 * MILLISECOND
STEP = 5 * MILLISECOND
# Blocks that somebody who is alone keeps waiting in the device: 40 ms.
AHEAD_ALONE = 4_000
# What pictures show.
SHOWN = 60 * MILLISECOND
SHOWN_STEP = 50 * MILLISECOND


def start_all(model, programs):
    """When all have begun, and the device has done work of each."""
    for one in programs:
        one.go()
    begun = max(one.begun() for one in programs)

    def all_work():
        record = model.record()
        return all(record.first_after(one.worker, 0) is not None for one in programs)

    if seconds_until(all_work, 30) > 30:
        raise AssertionError("the device does nothing for somebody")
    time.sleep(SETTLE * SLOWNESS)
    return begun


def shares(model, asked, seconds):
    """Sessions that always have more waiting; asked: what part each asks for (None: nothing), and its kernels."""
    programs = [model.program("loads", kernels, seed=at + 1, **({} if part is None else {"share": part}))
                for at, (part, kernels) in enumerate(asked)]
    start_all(model, programs)
    start, end = model.work(seconds, programs)
    for one in programs:
        one.end()
    record = model.record()
    wanted = {one.worker: part or 1 / len(asked) for one, (part, _) in zip(programs, asked)}
    return {"asked": list(wanted.values()), "got": [record.share(owner, start, end) for owner in wanted],
            "seconds": record.used(None, start, end) / SECOND,
            "error": max(abs(one) for one in record.errors(wanted, start, end).values()),
            "worst_second": record.worst_error(wanted, start, end), "jain": record.jain(wanted, start, end),
            "busy": record.busy(start, end), "overlaps": record.overlaps(),
            "turns": record.runs(list(wanted), start, start + SHOWN)}


def cap(model, limit, seconds):
    """One that has a cap and is alone, after its first second."""
    capped = model.program("loads", LONG, share_limit=limit)
    start_all(model, [capped])
    time.sleep(1)
    start = model.now()
    time.sleep(seconds)
    end = model.now()
    capped.end()
    record = model.record()
    used = [record.busy(at, at + SECOND) for at in range(start, end - SECOND, SECOND // 50)]
    return {"limit": limit, "used": record.busy(start, end), "most_in_a_second": max(used), "least_in_a_second": min(used)}


def soon_within(record, owner, wanted, since, until, tolerance=0.05):
    """From when on, after `since`, the owner has what is wanted; nothing if it never has."""
    for start, end in record.windows(since, until, SOON, STEP):
        if abs(record.share(owner, start, end) - wanted) <= tolerance:
            return start - since
    return None


def alone_and_yield(model, part, seconds, other_is_there):
    """One with a small share that is alone, and gives way when somebody comes. Nothing is held of whoever is alone, so what it
    has given the device by then goes beside the other's."""
    alone = model.program("loads", LONG, share=part, ahead=AHEAD_ALONE)
    other = model.program("loads", SHORT, share=1 - part) if other_is_there else None
    start_all(model, [alone])
    start = model.now()
    time.sleep(seconds)
    end = model.now()
    other = other or model.program("loads", SHORT, share=1 - part)
    came = other.go().begun()
    time.sleep(1)
    over = model.now()
    for one in (alone, other):
        one.end()
    record = model.record()
    first = record.first_after(other.worker, came)
    return {"share": part, "other_is_there": other_is_there, "busy_alone": record.busy(start, end),
            "first_command_ms": (first - came) / MILLISECOND,
            "yields_ms": in_milliseconds(soon_within(record, other.worker, 1 - part, came, over))}


def in_milliseconds(time_ns):
    return None if time_ns is None else time_ns / MILLISECOND


def resize(model, before, after):
    """Both are asked for of what is left of 0.8 and 0.2; the first's part while both run is changed from one to another."""
    one = model.program("loads", LONG, share=before)
    other = model.program("loads", SHORT, share=0.2)
    start_all(model, [one, other])
    start = model.now()
    time.sleep(1)
    asked = model.now()
    model.ask("resize", one.session, "--share", str(after))
    answered = model.now()
    time.sleep(1)
    over = model.now()
    for program in (one, other):
        program.end()
    record = model.record()
    return {"wanted_before": before / (before + 0.2), "got_before": record.share(one.worker, start, asked),
            "wanted_after": after / (after + 0.2), "got_after": record.share(one.worker, answered + 100 * MILLISECOND, over),
            "parts": record.series(one.worker, answered - SECOND // 2, answered + SECOND // 2, SHOWN_STEP),
            "answer_ms": (answered - asked) / MILLISECOND,
            "within_ms": in_milliseconds(soon_within(record, one.worker, after / (after + 0.2), answered, over))}


def elastic(model, least=0.2, most=0.8):
    """One whose share follows its use between two ends, beside one of 0.1 that always wants more: until it has the most that
    it may, while somebody is there who is promised a half, and when it does nothing."""
    grows = model.program("loads", LONG, share=f"{least}..{most}")
    fixed = model.program("loads", SHORT, share=0.1)
    share = lambda: next(one["share"] for one in model.sessions() if one["id"] == grows.session)
    steps = []

    def until(wanted, reason):
        """Seconds from now on; every share that it had meanwhile is kept."""
        began = time.monotonic()

        def is_there():
            if not steps or steps[-1][1] != share():
                steps.append([round(time.monotonic() - first, 2), share(), reason])
            return wanted(steps[-1][1])

        if seconds_until(is_there, 60) > 60:
            raise AssertionError(f"the share does not change as it should ({reason}): {steps}")
        return time.monotonic() - began

    first = time.monotonic()
    start_all(model, [grows, fixed])
    found = {"least": least, "most": most, "up_s": until(lambda now: now == most, "uses all, and waits")}
    top = model.work(2, [grows, fixed])
    third = model.program("loads", SHORT, share=0.5)
    found["share_beside_a_half"] = share()  # the newcomer has its answer by now
    until(lambda now: True, "a half is promised to another")
    came = third.go().begun()
    time.sleep(2)
    over = model.now()
    third.end()
    found["up_again_s"] = until(lambda now: now == most, "that one is gone")
    os.kill(grows.process.pid, signal.SIGSTOP)
    found["down_s"] = until(lambda now: now == least, "does nothing")
    os.kill(grows.process.pid, signal.SIGCONT)
    for one in (grows, fixed):
        one.end()
    record = model.record()
    return found | {"got_at_most": record.share(grows.worker, *top), "wanted_at_most": most / (most + 0.1), "steps": steps,
                    "got_beside_a_half": record.share(grows.worker, came + SECOND // 4, over),
                    "half_within_ms": in_milliseconds(soon_within(record, third.worker, 0.5, came, over))}


def percentile(values, part):
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def latencies(record, program, said):
    """Of each request, in milliseconds: until it was over by the device's clock, and by the program's; and how many
    commands of others the device began from its launch to its begin. By the device's clock a request came when the program
    had woken up for it, and earlier by as much as it had to wait for the one before."""
    requests = [[int(word) for word in line.split()] for line in said.splitlines()]
    own = [(start, end) for start, end, owner in zip(record.starts, record.ends, record.owners)
           if owner == program.worker][-len(requests):]
    others = [start for start, owner in zip(record.starts, record.owners) if owner != program.worker]
    before = [0] + [over for _, _, over in requests]
    return [((end - launched + max(last - due, 0)) / MILLISECOND, (over - due) / MILLISECOND,
             bisect.bisect_left(others, start) - bisect.bisect_right(others, launched))
            for (due, launched, over), (start, end), last in zip(requests, own, before)]


def priority(model, count, rate, request_ms=2, seed=1):
    """Requests of a guaranteed session, alone and beside a best-effort session with kernels of 5 ms."""
    request = blocks(request_ms)
    variables = {"LOADS_COUNT": str(count), "LOADS_RATE": str(rate)}
    found = {"requests": count, "rate": rate}
    lowest = None
    for side in ("alone", "beside"):
        if side == "beside":
            lowest = model.program("loads", blocks(5), priority="best-effort")
            start_all(model, [lowest])
        asks = model.program("requests", request, priority="guaranteed", share=0.5, seed=seed, variables=variables)
        start = model.now()
        said = asks.go().process.communicate("\n")[0]
        end = model.now()
        rows = latencies(model.record(), asks, said)
        by_device, by_program = [row[0] for row in rows], [row[1] for row in rows]
        found[side] = {"p50_ms": percentile(by_device, 0.5), "p99_ms": percentile(by_device, 0.99),
                       "program_p50_ms": percentile(by_program, 0.5), "program_p99_ms": percentile(by_program, 0.99),
                       "latencies_ms": by_device, "ahead_p99": percentile([row[2] for row in rows], 0.99), "ahead_max": max(row[2] for row in rows)}
        if lowest is not None:
            found["best_effort_keeps"] = model.record().used(lowest.worker, start, end) / (end - start)
            found["requests_have"] = model.record().used(asks.worker, start, end) / (end - start)
    lowest.end()
    return found
