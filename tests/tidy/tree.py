# SPDX-License-Identifier: Apache-2.0
"""The files that the rules look at: those of the repository, or all when it is not one."""

import subprocess
from pathlib import Path

SOURCE_SUFFIXES = (".cc", ".h", ".cu", ".c", ".S")


class Skipped(Exception):
    """A rule cannot be checked here; says what is missing."""


class Tree:
    """Paths are strings, relative to the root. Immutable."""

    def __init__(self, root, paths):
        self.root = Path(root)
        self.paths = sorted(paths)
        self._texts = {}

    @classmethod
    def of(cls, root):
        listed = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            paths = [path for path in listed.stdout.split("\0") if path]
        else:
            paths = [str(path.relative_to(root)) for path in Path(root).rglob("*")
                     if not {"build", "__pycache__"} & set(path.relative_to(root).parts)]
        return cls(root, [path for path in paths if (Path(root) / path).is_file()])

    def text(self, path):
        """The file's text; bytes that are none are kept apart, so that no rule stumbles over them."""
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self._texts[path]

    def lines(self, path):
        return self.text(path).splitlines()

    def sources(self):
        return [path for path in self.paths if path.endswith(SOURCE_SUFFIXES)]

    def of_kind(self, *suffixes):
        return [path for path in self.paths if path.endswith(suffixes)]
