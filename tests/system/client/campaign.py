# SPDX-License-Identifier: Apache-2.0
"""Long runs that can be stopped and gone on with: what is done stands in a file and is not done again.

    SOME_test.py --campaign RESULT.json [--seed N] [--parts N]
"""

import json
import os
import pathlib
import random
import sys


class Campaign:
    """The parts of a long run, each with its result, in a file that is whole at every time."""

    def __init__(self, path, seed, parts):
        self.path = pathlib.Path(path)
        self.parts = parts
        self.state = {"seed": seed, "done": {}}
        if self.path.exists():
            self.state = json.loads(self.path.read_text(encoding="utf-8"))
        self.seed = self.state["seed"]

    @staticmethod
    def from_arguments(parts):
        """None without --campaign. Takes its words from the command line."""
        if "--campaign" not in sys.argv:
            return None
        words = {}
        for word in ("--campaign", "--seed", "--parts"):
            if word in sys.argv:
                at = sys.argv.index(word)
                words[word] = sys.argv[at + 1]
                del sys.argv[at:at + 2]
        seed = int(words.get("--seed", random.SystemRandom().randrange(1, 1 << 30)))
        return Campaign(words["--campaign"], seed, int(words.get("--parts", parts)))

    def note(self, **facts):
        """What the whole run was made with."""
        self.state.update(facts)
        self.save()

    def save(self):
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps(self.state, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(scratch, self.path)

    def left(self):
        """The numbers of the parts that are still to be done; to be told of by `done`."""
        return [part for part in range(self.parts) if str(part) not in self.state["done"]]

    def done(self, part, result):
        self.state["done"][str(part)] = result
        self.save()
        print(f"part {part + 1} of {self.parts}: {json.dumps(result)}", flush=True)

    def results(self):
        return list(self.state["done"].values())
