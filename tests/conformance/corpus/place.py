# SPDX-License-Identifier: Apache-2.0
"""A place of its own for each run: the program's files around it, and nothing it can spoil.

Programs look for data beside themselves and in ../neighbour, and write files where they stand. So a
run gets a folder with copies of its small files, links to the large ones, and links to the
neighbours.
"""
import contextlib
import shutil
import tempfile
from pathlib import Path

COPIED_BYTES_MAX = 1 << 20


def fill(place: Path, folder: Path) -> None:
    for path in folder.iterdir():
        target = place / path.name
        if path.is_dir():
            target.mkdir(exist_ok=True)
            fill(target, path)
        elif path.is_file() and path.stat().st_size <= COPIED_BYTES_MAX:
            shutil.copyfile(path, target)
        else:
            target.symlink_to(path.resolve())


@contextlib.contextmanager
def place_of_run(folder: Path, built: Path):
    """Gives the path of the program to start, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="farlane-corpus-") as root:
        for neighbour in folder.parent.iterdir():
            if neighbour.name != folder.name:
                (Path(root) / neighbour.name).symlink_to(neighbour.resolve())
        place = Path(root) / folder.name
        place.mkdir()
        fill(place, folder)
        for path in built.iterdir():
            if path.name not in ("lock", "log", "result.json"):
                (place / path.name).unlink(missing_ok=True)
                shutil.copy(path, place / path.name)
        yield place / "program"
