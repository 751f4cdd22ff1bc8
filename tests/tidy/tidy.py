#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the house rules over the whole tree.

    tidy.py             every rule
    tidy.py floors      one rule
    tidy.py --list      their names

A rule is a function from a Tree to complaints, "path:line: what is wrong". To add one: write it in
the module of its kind, name it in RULES, and give rules_test.py a sample that breaks it.
"""

import argparse
import sys
from pathlib import Path

import docs
import files
import floors
import functions
import runnable
import standards
import tools
import words
from tree import Skipped, Tree

RULES = {
    "floors": floors.check,
    "licence": files.check_licence,
    "file_length": files.check_length,
    "file_names": files.check_names,
    "function_length": functions.check,
    "words": words.check_code,
    "only_itself": words.check_only_itself,
    "map": docs.check_map,
    "places": docs.check_places,
    "links": docs.check_links,
    "commands": runnable.check_commands,
    "verbs": runnable.check_verbs,
    "named_tests": runnable.check_tests,
    "standards": standards.check,
    "wire_lock": tools.check_wire_lock,
    "clang_format": tools.check_clang_format,
}


def main():
    parser = argparse.ArgumentParser(description="Checks the house rules.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("rule", nargs="*", choices=[[], *RULES], metavar="RULE")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(RULES))
        return 0
    tree = Tree.of(arguments.root)
    failed = skipped = False
    for name in arguments.rule or RULES:
        try:
            complaints = RULES[name](tree)
        except Skipped as why:
            print(f"{name}: SKIPPED: {why}", file=sys.stderr)
            skipped = True
            continue
        for complaint in complaints:
            print(f"{name}: {complaint}")
        failed = failed or bool(complaints)
    return 1 if failed else 77 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
