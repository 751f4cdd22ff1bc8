# SPDX-License-Identifier: Apache-2.0
"""Documents must not name what does not exist."""

import re
from pathlib import PurePosixPath

MAP = "docs/map.md"
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"[\w.-]+(/[\w.*-]+)+/?|[\w-]+\.(cc|h|py|toml|md|sh|cmake|txt|json|lock)")
SYMBOL = re.compile(r"~?[A-Za-z_]\w*(::~?\w+)*(\(\))?")
IN_PLACE = re.compile(r"`([A-Za-z_][\w:]*(?:\(\))?)`\s+in\s+`([\w./-]+)`")
MADE_BY_THE_BUILD = "build/"


def without_fences(text):
    return FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def exists(tree, path):
    path = path.rstrip("/")
    if "*" in path:
        pattern = re.compile(re.escape(path).replace(r"\*", "[^/]*"))
        return any(pattern.fullmatch(one) for one in tree.paths)
    return any(one == path or one.startswith(path + "/") for one in tree.paths)


def files_below(tree, path):
    path = path.rstrip("/")
    return [one for one in tree.paths if one == path or one.startswith(path + "/")]


def paragraphs(text):
    """(number of the first line, text) of each paragraph, list item or table row."""
    start, block = 1, []
    for number, line in enumerate(text.split("\n"), 1):
        if block and (not line.strip() or re.match(r"\s*([-*|]|\d+\.)\s?", line)):
            yield start, "\n".join(block)
            block = []
        if line.strip():
            start = start if block else number
            block.append(line)
    if block:
        yield start, "\n".join(block)


def check_paragraph(tree, number, text):
    words = [word.strip() for word in CODE.findall(text)]
    paths = [word for word in words if PATH.fullmatch(word) and not word.startswith(MADE_BY_THE_BUILD)]
    complaints = [f"{MAP}:{number}: there is no {path}" for path in paths if not exists(tree, path)]
    places = [one for path in paths for one in files_below(tree, path)] or tree.sources()
    for word in words:
        if PATH.fullmatch(word) or not SYMBOL.fullmatch(word):
            continue
        last = word.removesuffix("()").split("::")[-1].lstrip("~")
        if not any(re.search(rf"\b{re.escape(last)}\b", tree.text(place)) for place in places):
            where = ", ".join(paths) or "any source"
            complaints.append(f"{MAP}:{number}: {word} is not in {where}")
    return complaints


def check_map(tree):
    """Every path that the map names exists, and every symbol lies in the files named beside it."""
    if MAP not in tree.paths:
        return [f"{MAP}:1: is missing"]
    complaints = []
    for number, text in paragraphs(without_fences(tree.text(MAP))):
        complaints += check_paragraph(tree, number, text)
    return complaints


def check_places(tree):
    """Whatever page names a file of ours: it is there, and in it what is said to be (`Name` in `path`)."""
    houses = {path.split("/")[0] for path in tree.paths if "/" in path}
    names = {path.rsplit("/", 1)[-1] for path in tree.paths}
    complaints = []
    for path in tree.of_kind(".md"):
        text = without_fences(tree.text(path))
        for found in CODE.finditer(text):
            word = found[1].strip()
            if not PATH.fullmatch(word) or word.startswith(MADE_BY_THE_BUILD):
                continue
            ours = word.split("/")[0] in houses if "/" in word else True
            if ours and not (exists(tree, word) if "/" in word else word in names):
                complaints.append(f"{path}:{line_of(text, found)}: there is no {word}")
        for found in IN_PLACE.finditer(text):
            last = found[1].removesuffix("()").split("::")[-1]
            files = files_below(tree, found[2])
            if files and not any(re.search(rf"\b{re.escape(last)}\b", tree.text(one)) for one in files):
                complaints.append(f"{path}:{line_of(text, found)}: {found[1]} is not in {found[2]}")
    return complaints


def line_of(text, found):
    return text.count("\n", 0, found.start()) + 1


def anchors(text):
    """The names that headings get as link targets."""
    names = set()
    for heading in re.findall(r"^#+\s+(.*)$", without_fences(text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower())
        names.add(plain.strip().replace(" ", "-"))
    return names


def complaint_about_link(tree, path, target):
    if re.match(r"[a-z]+:", target):
        return None  # somewhere else in the world
    file, _, anchor = target.partition("#")
    aim = path
    if file:
        parts = []
        for part in (PurePosixPath(path).parent / file).parts:
            if part == ".." and not parts:
                return f"{target} leads out of the project"
            parts = parts[:-1] if part == ".." else [*parts, part]
        aim = "/".join(parts)
    if not exists(tree, aim):
        return f"{target} leads nowhere"
    if anchor and aim.endswith(".md") and anchor not in anchors(tree.text(aim)):
        return f"{target}: there is no such heading in {aim}"
    return None


def check_links(tree):
    complaints = []
    for path in tree.of_kind(".md"):
        for number, line in enumerate(without_fences(tree.text(path)).split("\n"), 1):
            for found in LINK.finditer(line):
                wrong = complaint_about_link(tree, path, found[1] or found[2])
                if wrong:
                    complaints.append(f"{path}:{number}: {wrong}")
    return complaints
