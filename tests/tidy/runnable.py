# SPDX-License-Identifier: Apache-2.0
"""What documents say to run must be there: commands with their options, variables, tests."""

import re

from docs import CODE, without_fences

FENCED = re.compile(r"^(```|~~~)[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?:\S*/)?(farlane|farlane-gpud|farlane-poold)")
BEFORE_A_COMMAND = re.compile(r"(?:[$(]\s*|umask \d+;\s*|[A-Z][A-Z0-9_]*=\S*\s+)*")
# Where the words of a command end: what farlane run starts, and what the shell does.
END = re.compile(r"\s--(?=\s|$)|\s#\s|\s[|>&]|;")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
VARIABLE = re.compile(r"\bFARLANE_[A-Z0-9_]*[A-Z0-9]\b")
WORD = re.compile(r"[a-z][a-z-]*")
TOPIC = re.compile(r'\\"([a-z-]+)\\"')
CLI = "tools/farlane/"
CLI_PAGE = "docs/cli.md"
# Programs that are no verbs: where their options are said.
DAEMONS = {"farlane-gpud": ("gpu-server/",), "farlane-poold": ("pool-manager/",)}
OF_EVERY_PROGRAM = {"--help", "--version"}
# farlane sim hands its words on to the simulator.
ALSO = {"sim": ("pool-manager/sim/",)}

TEST = re.compile(r"(?:system|tidy|run_direct|run_remote|run_gpu|mutant)\.[\w.*…]+|[a-z]\w*_(?:test|campaign)"
                  r"|(?:[A-Z]\w*\.)?test_[\w…*]+|[A-Z]\w*\.[A-Z][\w…*]+")


def code_of(tree, path):
    """(line, text) of each code word, and of each line of a fenced block with those that go on from it."""
    text = tree.text(path)
    for number, line in enumerate(without_fences(text).split("\n"), 1):
        for word in CODE.findall(line):
            yield number, word.replace("\\|", "|")
    for block in FENCED.finditer(text):
        at = text.count("\n", 0, block.start(2)) + 1
        lines = block[2].replace("\\\n", "\x00")
        for line in lines.split("\n"):
            yield at, line.replace("\x00", " ")
            at += 1 + line.count("\x00")


def texts_below(tree, *folders):
    return {path: tree.text(path) for path in tree.sources() if path.startswith(folders)}


class Verbs:
    """What farlane understands, as its sources say it."""

    def __init__(self, tree):
        self.tree = tree
        texts = texts_below(tree, CLI)
        self.files = {}  # verb -> the files that are its own
        for path, text in texts.items():
            for owner, verb in re.findall(r'(\w+)\.add_subcommand\(\s*"([a-z-]+)"', text):
                self.files.setdefault(verb if owner == "root" else owner, set()).add(path)
        own = {path for paths in self.files.values() for path in paths}
        self.shared = "\n".join(text for path, text in texts.items() if path not in own)
        self.texts = texts

    def text(self, verb):
        also = texts_below(self.tree, *ALSO.get(verb, ("none of them",)))
        return "\n".join([self.shared, *(self.texts[path] for path in self.files[verb]), *also.values()])

    def topics(self, verb):
        own = "\n".join(self.texts[path] for path in self.files[verb])
        said = re.findall(r'add_option\(\s*"topic"(.*?)\)\s*(?:->|;)', own, re.DOTALL)
        return set(TOPIC.findall("".join(said)))


def lacking_options(words, text):
    return [option for option in OPTION.findall(words)
            if option not in OF_EVERY_PROGRAM and not re.search(rf'["!,]{re.escape(option)}[",]', text)]


def complaint_about_command(tree, verbs, program, words):
    """What is wrong with the words behind a program's name, or None."""
    if program in DAEMONS:
        lacking = lacking_options(words, "\n".join(texts_below(tree, *DAEMONS[program]).values()))
        return f"{program} has no {lacking[0]}" if lacking else None
    first, *rest = words.replace("[", " ").replace("]", " ").split() or [""]
    for verb in first.split("|"):
        if not WORD.fullmatch(verb):
            continue  # a placeholder, or an option of farlane itself
        if verb not in verbs.files:
            return f"there is no farlane {verb}"
        topics = verbs.topics(verb)
        for topic in rest[0].split("|") if topics and rest else []:
            if WORD.fullmatch(topic) and topic not in topics:
                return f"there is no farlane {verb} {topic}"
        lacking = lacking_options(words, verbs.text(verb))
        if lacking:
            return f"farlane {verb} has no {lacking[0]}"
    return None


def check_commands(tree):
    """Every command of ours in a document has such a verb, topic and options; every variable is read somewhere."""
    verbs = Verbs(tree)
    read = set(VARIABLE.findall("\n".join(tree.text(path) for path in tree.paths if not path.endswith(".md"))))
    complaints = []
    for path in tree.of_kind(".md"):
        for number, code in code_of(tree, path):
            line = code[BEFORE_A_COMMAND.match(code).end():]
            program, _, words = line.partition(" ")
            found = PROGRAM.fullmatch(program)
            wrong = found and complaint_about_command(tree, verbs, found[1], END.split(" " + words, maxsplit=1)[0])
            complaints += [f"{path}:{number}: {wrong}"] if wrong else []
            complaints += [f"{path}:{number}: nothing reads {variable}"
                           for variable in VARIABLE.findall(code) if variable not in read]
    return complaints


def check_verbs(tree):
    """The page about the command line has every verb in its table."""
    rows = [line for line in tree.lines(CLI_PAGE) if line.startswith("| ")] if CLI_PAGE in tree.paths else []
    told = {verb for row in rows for verb in re.findall(r"`([a-z-]+)", row.split(" | ")[0])}
    return [f"{CLI_PAGE}:1: farlane {verb} is not in the table of verbs" for verb in sorted(Verbs(tree).files)
            if verb not in told]


def known_tests(tree):
    """Names by which a test can be called: of ctest, of files, of gtest and of unittest."""
    names = set()
    for path in tree.paths:
        name = path.rsplit("/", 1)[-1]
        stem = name.partition(".")[0]
        text = tree.text(path) if path.startswith("tests/") else ""
        if path.startswith("tests/") and re.search(r"_test\.(py|cc)$", name):
            names.add(stem)
            names.update(re.findall(r"\bdef (test_\w+)", text))
            names.update(f"{suite}.{test}" for suite, test in re.findall(r"^TEST(?:_[FP])?\((\w+), (\w+)\)", text, re.M))
            for body in re.split(r"^(?=class )", text, flags=re.M):
                of = re.match(r"class (\w+)", body)
                names.update(f"{of[1]}.{test}" for test in re.findall(r"\bdef (test_\w+)", body) if of)
        if found := re.fullmatch(r"tests/system/(client|cli)/(\w+_test)\.py", path):
            names.add(f"system.{found[1]}.{found[2]}")
        if re.fullmatch(r"tests/apps/\w+\.(cu|cc)", path):
            names.update(f"{kind}.{stem}" for kind in ("run_direct", "run_remote", "run_gpu", "mutant"))
        if name == "CMakeLists.txt":
            names.update(re.findall(r"(?:farlane_unit_test\(|add_test\(NAME )([\w.]+)[\s)]", text))
            for words, before, after in re.findall(
                    r"foreach\(name ([\w ]+)\)\s*add_test\(NAME ([\w.]*)\$\{name\}([\w.]*)", text):
                names.update(before + word + after for word in words.split())
        if path == "tests/tidy/tidy.py":
            names.update(f"tidy.{rule}" for rule in re.findall(r'^    "(\w+)": ', text, re.M))
    return names


def is_known(name, names):
    if not re.search("[*…]", name):
        return name in names
    pattern = re.compile(re.sub(r"\\\*|…", r"[\\w.]*", re.escape(name)))
    return any(pattern.fullmatch(one) for one in names)


def check_tests(tree):
    """Every test that a document names is there."""
    names = known_tests(tree)
    return [f"{path}:{number}: there is no test {word}" for path in tree.of_kind(".md")
            for number, word in code_of(tree, path) if TEST.fullmatch(word) and not is_known(word, names)]
