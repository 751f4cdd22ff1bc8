# SPDX-License-Identifier: Apache-2.0
"""The record that a modelled device keeps of its engines (docs/software-gpu.md, "Modelled time"), and what follows from
it for shares. Nothing that the server has measured is used here.

A window of the device's work is so much of what the engine did, whatever lies between: a machine that stops for a moment
makes no window different."""

import bisect
import itertools
import pathlib

SECOND = 1_000_000_000


class BusyRecord:
    """What one engine did, in order: `starts`, `ends` and `owners` by occupation."""

    def __init__(self, lines, engine="compute", device="0"):
        found = sorted((int(start), int(end), int(pid)) for where, which, pid, start, end in
                       (line.split() for line in lines if line.endswith("\n"))
                       if which == engine and where == device)
        self.starts = [one[0] for one in found]
        self.ends = [one[1] for one in found]
        self.owners = [one[2] for one in found]
        self.worked = self.sums(None)
        self.of_owner = {}

    @classmethod
    def read(cls, path, **what):
        with pathlib.Path(path).open(encoding="ascii") as file:
            return cls(file, **what)

    def sums(self, owner):
        """For each occupation, how much was done before it, by this owner or by all."""
        took = ((end - start) if owner in (None, whose) else 0
                for start, end, whose in zip(self.starts, self.ends, self.owners))
        return [0, *itertools.accumulate(took)]

    def overlaps(self):
        """Occupations that begin before the one before them has ended: there are none on one engine."""
        return sum(1 for end, start in zip(self.ends, self.starts[1:]) if start < end)

    def done(self, owner, until):
        """What was done up to then, by the clock."""
        if owner not in self.of_owner:
            self.of_owner[owner] = self.sums(owner)
        sums = self.of_owner[owner]
        at = bisect.bisect_left(self.starts, until)
        whole = sums[at]
        if at > 0 and self.ends[at - 1] > until and owner in (None, self.owners[at - 1]):
            whole -= self.ends[at - 1] - until
        return whole

    def used(self, owner, start, end):
        return self.done(owner, end) - self.done(owner, start)

    def share(self, owner, start, end):
        return self.used(owner, start, end) / max(self.used(None, start, end), 1)

    def busy(self, start, end):
        """The part of the clock's time in which the engine did anything."""
        return self.used(None, start, end) / (end - start)

    def when_done(self, work):
        """When so much had been done by all, by the clock."""
        at = max(bisect.bisect_right(self.worked, work) - 1, 0)
        if at >= len(self.starts):
            return self.ends[-1]
        return self.starts[at] + work - self.worked[at]

    def windows(self, start, end, length, step):
        """Windows of so much work of the device, between two times of the clock."""
        first, last = self.done(None, start), self.done(None, end)
        for work in range(first, last - length + 1, step):
            yield self.when_done(work), self.when_done(work + length)

    def worst_error(self, wanted, start, end, length=SECOND, step=SECOND // 50):
        """How far the part that anybody had in any such window was from what was wanted; wanted: by owner."""
        return max((abs(self.share(owner, *window) - part)
                    for window in self.windows(start, end, length, step) for owner, part in wanted.items()),
                   default=None)

    def errors(self, wanted, start, end):
        return {owner: self.share(owner, start, end) - part for owner, part in wanted.items()}

    def jain(self, wanted, start, end):
        """Jain's index of what each had, as a part of what was its due."""
        had = [self.share(owner, start, end) / part for owner, part in wanted.items()]
        return sum(had) ** 2 / (len(had) * sum(one * one for one in had))

    def runs(self, owners, start, end):
        """Who had the engine between two times, [place in owners, from, until] in milliseconds from the first: what one
        did without a pause and without anybody between is one run."""
        found = []
        for began, ended, whose in zip(self.starts, self.ends, self.owners):
            if began < start or ended > end or whose not in owners:
                continue
            at, began, ended = owners.index(whose), (began - start) / 1e6, (ended - start) / 1e6
            if found and found[-1][0] == at and began - found[-1][2] < 0.001:
                found[-1][2] = round(ended, 3)
            else:
                found.append([at, round(began, 3), round(ended, 3)])
        return found

    def series(self, owner, start, end, step):
        """What part the owner had in each step of the clock."""
        return [round(self.share(owner, at, at + step), 4) for at in range(start, end - step + 1, step)]

    def first_after(self, owner, time):
        """When the owner's first piece of work that began no sooner did begin."""
        at = bisect.bisect_left(self.starts, time)
        return next((start for start, whose in zip(self.starts[at:], self.owners[at:]) if whose == owner), None)
