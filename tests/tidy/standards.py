# SPDX-License-Identifier: Apache-2.0
"""docs/standards.md has each clause of T/CESA 1463 once, and counts them rightly."""

import re
from collections import Counter

from docs import CODE, LINK
from runnable import PROGRAM, TEST

PAGE = "docs/standards.md"
# What each lettered clause of the standard is: s shall, d should, y may.
CLAUSES = {
    "6": "ssssddddd", "7": "sssssddy", "8": "sssssssssdd", "9.1": "ssddd", "9.2": "ssssdyy", "10.1": "s" * 12,
    "10.2": "s" * 14, "11.1": "sssssdddyyy", "11.2": "ssysy", "11.3": "ssssy", "11.4": "s" * 6, "11.5": "sss", "12": "ssddddyyy",
}
WORDS = {"s": "shall", "d": "should", "y": "may"}
STATES = ("met", "partly", "planned", "outside")
ROW = re.compile(r"\| (\d+(?:\.\d)?) ([a-z]) \| (\w+) \| [^|]+ \| ([^|]*) \|(.*)\|")
SUM = re.compile(r"\| (shall|should|may|all) \|((?: \d+ \|){5})")


def strength_of(number, letter):
    at = ord(letter) - ord("a")
    kinds = CLAUSES.get(number, "")
    return WORDS[kinds[at]] if at < len(kinds) else None


def names_something(shown):
    words = CODE.findall(shown)
    return bool(LINK.search(shown)) or any(TEST.fullmatch(word) or PROGRAM.fullmatch(word.split(" ")[0]) for word in words)


def complaint_about_row(number, letter, strength, state, shown):
    """What is wrong with one clause's row, or None."""
    wanted = strength_of(number, letter)
    if wanted is None:
        return f"the standard has no clause {number} {letter}"
    if strength != wanted:
        return f"clause {number} {letter} says {wanted}, not {strength}"
    if state not in STATES:
        return f'"{state}" is no state ({", ".join(STATES)})'
    if state == "met" and not names_something(shown):
        return f"nothing shows that {number} {letter} is met: name a test, a command or a page"
    return None


def check(tree):
    if PAGE not in tree.paths:
        return [f"{PAGE}:1: is missing"]
    complaints, seen, counts, sums = [], set(), Counter(), {}
    for at, line in enumerate(tree.lines(PAGE), 1):
        if found := SUM.fullmatch(line):
            sums[found[1]] = (at, [int(one) for one in re.findall(r"\d+", found[2])])
        if not (found := ROW.fullmatch(line)):
            continue
        number, letter, strength, state, shown = found.groups()
        wrong = complaint_about_row(number, letter, strength, state, shown)
        if (number, letter) in seen:
            wrong = f"clause {number} {letter} is there twice"
        complaints += [f"{PAGE}:{at}: {wrong}"] if wrong else []
        seen.add((number, letter))
        counts.update([(strength, state), ("all", state), (strength, "all"), ("all", "all")])
    for number, kinds in CLAUSES.items():
        complaints += [f"{PAGE}:1: clause {number} {chr(ord('a') + i)} is missing" for i in range(len(kinds))
                       if (number, chr(ord("a") + i)) not in seen]
    for strength in (*WORDS.values(), "all"):
        found = [counts[strength, state] for state in (*STATES, "all")]
        at, said = sums.get(strength, (1, None))
        complaints += [f"{PAGE}:{at}: of {strength} there are {found}, not {said}"] if said != found else []
    return complaints
