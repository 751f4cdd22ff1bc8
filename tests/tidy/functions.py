# SPDX-License-Identifier: Apache-2.0
"""Functions fit on a page. C++ by matching braces, which is close enough; Python by its own parser."""

import ast
import re

from files import is_generated

LINES_MAX = 70
BLANKED = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'""",
    re.DOTALL)
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum)\b[^()=;]*$|extern\s*$")
FUNCTION = re.compile(r"\)[^;={}]*$|\)\s*(const|noexcept|override|final|\s)*(->[^;{}]*)?$", re.DOTALL)


def blank(text):
    """The text with comments and strings emptied; every line stays where it is."""
    return BLANKED.sub(lambda found: "\n" * found[0].count("\n"), text)


def cpp_functions(text):
    """(line of the opening brace, number of lines from it to the closing one) of outermost functions."""
    clean = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda found: "\n" * found[0].count("\n"), blank(text),
                   flags=re.MULTILINE)
    stack, start, line = [], 0, 1
    for at, letter in enumerate(clean):
        if letter == "\n":
            line += 1
        elif letter == "{":
            before = clean[start:at]
            inside = any(kind != "scope" for kind, _ in stack)
            is_function = not inside and not SCOPE.search(before) and FUNCTION.search(before)
            kind = "scope" if SCOPE.search(before) and not inside else "function" if is_function else "other"
            stack.append((kind, line))
            start = at + 1
        elif letter == "}" and stack:
            kind, opened = stack.pop()
            if kind == "function":
                yield opened, line - opened + 1
            start = at + 1
        elif letter == ";" and not (stack and stack[-1][0] != "scope"):
            start = at + 1


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def check(tree):
    complaints = []
    for path in tree.of_kind(".cc", ".h", ".cu", ".py"):
        if is_generated(tree, path):
            continue
        find = python_functions if path.endswith(".py") else cpp_functions
        for line, count in find(tree.text(path)):
            if count > LINES_MAX:
                complaints.append(f"{path}:{line}: a function of {count} lines; at most {LINES_MAX}")
    return complaints
