# SPDX-License-Identifier: Apache-2.0
"""A place of its own for each run: the program's files around it, and nothing it can spoil.

Programs look for data beside themselves and in ../neighbour, and write files where they stand. So a
run gets a folder with copies of its small files, links to the large ones, and a link to each
neighbour that its arguments name.
"""
import contextlib
import shutil
import tempfile
from pathlib import Path

from inputs import make

COPIED_BYTES_MAX = 1 << 20
THEIRS = "theirs"  # an input that a neighbour has, and that no argument names


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
def copy_of(folder: Path):
    """A copy with all its neighbours beside it, as sources see them."""
    with tempfile.TemporaryDirectory(prefix="farlane-corpus-") as root:
        for neighbour in folder.parent.iterdir():
            if neighbour.name != folder.name:
                (Path(root) / neighbour.name).symlink_to(neighbour.resolve())
        place = Path(root) / folder.name
        place.mkdir()
        fill(place, folder)
        yield place


@contextlib.contextmanager
def place_of_run(folder: Path, built: Path, arguments: tuple[str, ...] = (), made=None):
    """Gives the path of the program to start, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="farlane-corpus-") as root:
        inputs = made or {}
        wanted = {word for word in arguments if word.startswith("../")} - set(inputs)
        for neighbour in {word.split("/")[1] for word in wanted}:
            (Path(root) / neighbour).symlink_to((folder.parent / neighbour).resolve())
        place = Path(root) / folder.name
        place.mkdir()
        fill(place, folder)
        for path in built.iterdir():
            if path.name not in ("lock", "log", "result.json"):
                (place / path.name).unlink(missing_ok=True)
                # No copy: a program just written cannot be started while another thread forks.
                (place / path.name).symlink_to(path.resolve())
        for name, recipe in inputs.items():
            if recipe == THEIRS:
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, place / name)
            else:
                make(recipe, place / name)
        yield place / "program"
