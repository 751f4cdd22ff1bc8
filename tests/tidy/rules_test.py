#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every house rule notices what it forbids, and lets pass what it allows."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import docs
import files
import floors
import functions
import runnable
import standards
import tidy
import tools
import words
from tree import Tree

LINE = "// SPDX-License-Identifier: Apache-2.0\n"
CODEGEN = Path(__file__).resolve().parents[2] / "protocol"


class Rules(unittest.TestCase):
    def tree(self, samples):
        """A tree of files in a folder of its own."""
        folder = tempfile.TemporaryDirectory(prefix="farlane-tidy-test-")
        self.addCleanup(folder.cleanup)
        for path, text in samples.items():
            file = Path(folder.name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return Tree(folder.name, samples)

    def assert_caught(self, rule, path, text, *, told="", **others):
        complaints = rule(self.tree({path: text, **others}))
        self.assertTrue(any(one.startswith(path + ":") and told in one for one in complaints),
                        f"not caught in {path}: {text[:80]!r}; said: {complaints}")

    def assert_passes(self, rule, path, text, **others):
        self.assertEqual(rule(self.tree({path: text, **others})), [])


class Floors(Rules):
    def test_catches_looking_up_and_through_walls(self):
        for path, included in {
            "protocol/base/a.h": "protocol/wire/frame.h",
            "protocol/wire/a.h": "protocol/transport/stream.h",
            "protocol/transport/a.cc": "protocol/abi/fatbin.h",
            "protocol/abi/a.h": "protocol/wire/frame.h",
            "protocol/channel/a.h": "client-shim/session.h",
            "client-shim/a.cc": "gpu-server/session/hand.h",
            "gpu-server/a.cc": "soft-gpu/device/driver.h",
            "soft-gpu/a.cc": "client-shim/bodies.h",
            "pool-manager/a.cc": "gpu-server/memory/ledger.h",
            "tools/farlane/a.cc": "gpu-server/memory/ledger.h",
            "gpu-server/b.cc": "tools/farlane/json.h",
            "soft-gpu/b.cc": "tests/support/clock.h",
        }.items():
            self.assert_caught(floors.check, path, f'#include "{included}"\n', told=included)

    def test_catches_what_has_one_door(self):
        for path, included in {
            "soft-gpu/exec/a.cc": "<llvm/IR/Module.h>",
            "gpu-server/a.cc": '"llvm-c/Core.h"',
            "client-shim/a.cc": "<grpcpp/grpcpp.h>",
            "protocol/channel/a.cc": "<infiniband/verbs.h>",
            "client-shim/b.cc": "<CLI/CLI.hpp>",
        }.items():
            self.assert_caught(floors.check, path, f"#include {included}\n")

    def test_catches_includes_that_do_not_start_at_the_root(self):
        self.assert_caught(floors.check, "gpu-server/a.cc", '#include "ledger.h"\n', told="not written from the root")
        self.assert_caught(floors.check, "strange/a.cc", '#include "protocol/base/fd.h"\n', told="no folder that has a floor")

    def test_lets_pass_what_looks_down(self):
        for path, included in {
            "gpu-server/a.cc": "protocol/channel/batch_reader.h",
            "soft-gpu/jit/a.cc": "llvm/IR/Module.h",
            "tools/farlane/a.cc": "protocol/channel/batch_reader.h",
            "tests/unit/a.cc": "gpu-server/memory/ledger.h",
            "client-shim/a.cc": "client-shim/session.h",
        }.items():
            self.assert_passes(floors.check, path, f'#include "{included}"\n')


class Files(Rules):
    def test_catches_a_missing_licence_line(self):
        for path, text in {"a.cc": "#pragma once\n", "b.py": "#!/usr/bin/env python3\nimport os\n", "c.sh": "",
                           "CMakeLists.txt": "# x\n# SPDX-License-Identifier: Apache-2.0\n",
                           "d.h": "// SPDX-License-Identifier: MIT\n"}.items():
            self.assert_caught(files.check_licence, path, text)
        self.assert_passes(files.check_licence, "b.py", "#!/usr/bin/env python3\n# SPDX-License-Identifier: Apache-2.0\n")

    def test_catches_a_long_file_unless_a_program_writes_it(self):
        self.assert_caught(files.check_length, "a.cc", LINE + "int a;\n" * 600)
        self.assert_passes(files.check_length, "a.cc", LINE + "int a;\n" * 599)
        self.assert_passes(files.check_length, "a.h", LINE + "// Generated from the spec.\n" + "int a;\n" * 900)

    def test_catches_names(self):
        for path in ("gpu-server/Ledger.cc", "tools/dev/newCall.py", "docs/Map.md", "Tests/unit/a.cc", "soft-gpu/a-b.cc"):
            self.assert_caught(files.check_names, path, "", told="lower_case")
        for path in ("gpu-server/memory/utils.h", "tests/common.py", "client-shim/session_manager.cc"):
            self.assert_caught(files.check_names, path, "", told="says nothing")
        for path in ("docs/life-of-a-call.md", "tools/cmake/Farlane.cmake", "README.md", ".clang-format", "tests/run.sh"):
            self.assert_passes(files.check_names, path, "")


class Functions(Rules):
    def test_catches_long_ones(self):
        body = "  work();\n" * 69
        for text in (f"void F(int a) {{\n{body}}}\n",
                     f"namespace a {{\nclass B {{\n  int F() const override {{\n{body}  }}\n}};\n}}\n",
                     f"B::B(int a)\n    : a_(a) {{\n{body}}}\n",
                     f"auto F(int a) -> int {{\n  if (a) {{\n{body}  }}\n}}\n",
                     f'extern "C" {{\nint F(void) {{\n{body}}}\n}}\n'):
            self.assert_caught(functions.check, "a.cc", text)
        self.assert_caught(functions.check, "a.py", "def f():\n" + "    work()\n" * 70)

    def test_lets_pass_short_ones_and_long_lists(self):
        short = "void F() {\n" + "  work();\n" * 60 + "}\n"
        self.assert_passes(functions.check, "a.cc", "namespace a {\n" + short * 3 + "}\n")
        self.assert_passes(functions.check, "a.cc", "const int kAll[] = {\n" + "  1,\n" * 100 + "};\n")
        self.assert_passes(functions.check, "a.cc", 'void F() { say("{"); /* { */ }\n' * 80)
        self.assert_passes(functions.check, "a.h", "struct A {\n" + "  int a;\n" * 100 + "};\n")


class Words(Rules):
    def test_catches_banned_code(self):
        for text in ("using namespace std;\n", "std::mutex mutex_;\n", 'auto a = getenv("HOME");\n',
                     "auto b = dynamic_cast<B*>(a);\n"):
            self.assert_caught(words.check_code, "gpu-server/a.cc", text)

    def test_knows_where_they_are_right(self):
        self.assert_passes(words.check_code, "client-shim/config.cc", 'auto a = getenv("HOME");\n')
        self.assert_passes(words.check_code, "gpu-server/a.cc", '// getenv is read elsewhere\nsay("using namespace");\n')
        self.assert_passes(words.check_code, "a.cc", "// Not Guarded: it is waited for.\nstd::mutex mutex_;\n")
        self.assert_passes(words.check_code, "b/a.cc", "std::mutex m;\n", **{"b/a.h": "// Not Guarded: because.\n"})

    def test_catches_what_is_unfinished_in_any_file(self):
        for path, text in {"a.cc": "// TO" "DO: all\n", "b.md": "FIX" "ME\n", "c.py": "# XX" "X\n"}.items():
            self.assert_caught(words.check_code, path, text, told="unfinished")

    def test_catches_words_of_the_workplace(self):
        for text in ("see /wo" "rk/main\n", "the hel" "per did it\n", "fixes iss" "ue 7\n", "../sha" "red/x\n"):
            self.assert_caught(words.check_only_itself, "docs/a.md", text)
        self.assert_caught(words.check_only_itself, "tests/my hel" "per.cc", "")
        self.assert_passes(words.check_only_itself, "docs/a.md", "A program of yours and its network.\n")


class Docs(Rules):
    LEDGER = {"gpu-server/memory/ledger.h": "class Ledger { void Reserve(); };\n"}

    def test_catches_what_the_map_names_in_vain(self):
        for text in ("Quota: `gpu-server/memory/quota.h`.\n",
                     "Quota: `gpu-server/memory/ledger.h`, `Ledger::Return`.\n",
                     "- fine: `gpu-server/`\n- bad: `gpu-server/memory`, `Pager`\n",
                     "Anywhere: `NoSuchFunction()`.\n", "Folder `gpu-server/none/`.\n", "`gpu-server/memory/*.cc`\n"):
            self.assert_caught(docs.check_map, docs.MAP, text, **self.LEDGER)
        self.assertEqual(docs.check_map(self.tree({"a.cc": ""})), [f"{docs.MAP}:1: is missing"])

    def test_lets_the_map_name_what_is_there(self):
        self.assert_passes(docs.check_map, docs.MAP, "# Map\n\nQuota: `gpu-server/memory/ledger.h`,\n`Ledger::Reserve()`. "
                           "`gpu-server/memory/*.h`, `farlane run --help`, `build/release/bin/farlane`\n\n```\n`x/y.h`\n```\n", **self.LEDGER)

    def test_catches_files_that_any_page_names_in_vain(self):
        for text in ("See `gpu-server/memory/quota.h`.\n", "See `quota.cc`.\n", "`Pager` in `gpu-server/memory/ledger.h`\n",
                     "(`Ledger::Return` in\n`gpu-server/memory`)\n", "`gpu-server/*/quota.h`\n"):
            self.assert_caught(docs.check_places, "docs/a.md", text, **self.LEDGER)

    def test_lets_pages_name_files_that_are_there(self):
        self.assert_passes(docs.check_places, "docs/a.md",
                           "`ledger.h`, `gpu-server/memory/`, `Ledger::Reserve()` in `gpu-server/memory/ledger.h`, "
                           "`lib/farlane/x.h`, `build/release/y.h`, `gpu-server/*/ledger.h`\n\n```\n`none.h`\n```\n", **self.LEDGER)

    def test_catches_links_into_nothing(self):
        for link in ("b.md", "../README.md", "../../outside.md", "c.md#no-such-heading", "#none"):
            self.assert_caught(docs.check_links, "docs/a.md", f"see [this]({link})\n", **{"docs/c.md": "# One\n"})

    def test_lets_pass_links_that_lead_somewhere(self):
        self.assert_passes(docs.check_links, "docs/a.md",
                           "# Here `too`\n[a](c.md) [b](c.md#the-second-one) [c](../LICENSE) [d](https://x.y/z) [e](#here-too) [f](../docs)\n",
                           **{"docs/c.md": "## The second one\n", "LICENSE": ""})


class Runnable(Rules):
    THERE = {
        "tools/farlane/server.cc": 'root.add_subcommand("server", "…");\n'
                                   'app->add_option("topic", topic, "\\"list\\" or \\"get\\"")->type_name("");\n'
                                   'app->add_option("-w,--watch", watch);\n',
        "tools/farlane/run.cc": 'root.add_subcommand(\n    "run", "…");\napp->add_option("--mem", mem);\n',
        "tools/farlane/pool_client.cc": 'app->add_option("--pool", pool);\n',
        "gpu-server/daemon/options.cc": 'app.add_option("--listen", listen);\nEnvironment("FARLANE_SERVER");\n',
        "tests/unit/gpu-server/CMakeLists.txt": "farlane_unit_test(server_memory_test FOLDER memory)\n",
        "tests/unit/gpu-server/memory/ledger_test.cc": "TEST_F(Ledger, KeepsItsSums) {}\n",
        "tests/system/client/pool_test.py": "class OnePool(PoolTest):\n    def test_a_program_runs(self):\n",
        "tests/system/client/CMakeLists.txt": "foreach(name pool scale)\n  add_test(NAME system.client.${name}_campaign\n",
        "tests/apps/vector_add.cu": "",
    }

    def test_catches_commands_that_are_not_there(self):
        for text in ("`farlane sever list`", "`farlane server lost`", "`farlane server list|lost NAME`", "`farlane run --pol x`",
                     "| `farlane server list\\|lost` |", "`farlane-gpud --lisen x`", "`build/release/bin/farlane ran`",
                     "`farlane run --watch`", "`FARLANE_SEVER`", "```sh\nfarlane sever\n```", "```\nA_B=1 farlane run \\\n  --men 8Gi\n```",
                     "```sh\n(umask 077; farlane sever list > a)\n```", "`farlane server list | farlane-gpud`\n\n`farlane seven`"):
            self.assert_caught(runnable.check_commands, "docs/a.md", text + "\n", **self.THERE)

    def test_lets_commands_pass_that_are_there(self):
        text = ("`farlane server list|get NAME`, `farlane server [list] --watch --pool a`, `farlane VERB --help`, `farlane`\n"
                "`farlane run --mem 8Gi -- ./x --fast`, `farlane-gpud --listen a`, `farlane run; farlane ...`, farlane sever\n"
                "```sh\nFARLANE_SERVER=a farlane run  # --not-ours\nfarlane-gpud, process 1\nfarlane run \\\n  --mem 1 | x --y\n```\n")
        self.assert_passes(runnable.check_commands, "docs/a.md", text, **self.THERE)

    def test_catches_a_verb_that_the_page_about_verbs_lacks(self):
        page = "| [`server list|get`](pool.md) | … |\n| `run` | … |\n"
        self.assert_passes(runnable.check_verbs, "docs/cli.md", page, **self.THERE)
        for lacking in ("| `run` | …, and `server` |\n", "`server`, `run`\n", ""):
            self.assert_caught(runnable.check_verbs, "docs/cli.md", lacking, told="farlane server", **self.THERE)

    def test_catches_tests_that_are_not_there(self):
        for name in ("server_memori_test", "system.client.pol_test", "system.client.quota_campaign", "run_remote.vector_sub",
                     "Ledger.KeepsNothing", "Ledger.Drops…", "OnePool.test_no_program_runs", "test_no_program_runs", "system.none.*"):
            self.assert_caught(runnable.check_tests, "docs/a.md", f"see `{name}`\n", told=name, **self.THERE)

    def test_lets_tests_pass_that_are_there(self):
        names = ("server_memory_test", "system.client.pool_test", "system.client.scale_campaign", "run_remote.vector_add", "run_direct.*",
                 "Ledger.KeepsItsSums", "Ledger.Keeps…", "OnePool.test_a_program_runs", "test_a_program_runs", "pool_test", "ledger_test")
        self.assert_passes(runnable.check_tests, "docs/a.md", "".join(f"`{name}`\n" for name in names), **self.THERE)


class Standards(Rules):
    """The page in small: what is wrong with it is one row among right ones."""

    def page(self, *, row="", sums=True, without=""):
        rows = {f"{number} {chr(ord('a') + at)}": standards.WORDS[kind]
                for number, kinds in standards.CLAUSES.items() for at, kind in enumerate(kinds)}
        lines = [f"| {clause} | {strength} | something | met | `pool_test` |"
                 for clause, strength in rows.items() if clause != without]
        count = {word: list(rows.values()).count(word) for word in standards.WORDS.values()}
        lines += [f"| {word} | {number} | 0 | 0 | 0 | {number} |"
                  for word, number in {**count, "all": len(rows)}.items() if sums]
        return "\n".join([*lines, row]) + "\n"

    def test_catches_what_is_wrong_with_a_clause(self):
        for told, page in {
            "no clause 6 z": self.page(row="| 6 z | shall | x | met | `pool_test` |"),
            "6 a is there twice": self.page(row="| 6 a | shall | x | met | `pool_test` |"),
            "6 a is missing": self.page(without="6 a"),
            "6 a says shall": self.page(without="6 a", row="| 6 a | may | x | met | `pool_test` |"),
            '"perfect" is no state': self.page(without="6 a", row="| 6 a | shall | x | perfect | `pool_test` |"),
            "nothing shows that 6 a": self.page(without="6 a", row="| 6 a | shall | x | met | it is `true` |"),
            "of shall there are [72, 1, 0, 0, 73]": self.page(without="6 a", row="| 6 a | shall | x | partly | |"),
            "of all there are": self.page(sums=False),
        }.items():
            self.assert_caught(standards.check, standards.PAGE, page, told=told)
        self.assertEqual(standards.check(self.tree({"a.md": ""})), [f"{standards.PAGE}:1: is missing"])

    def test_lets_a_right_page_pass(self):
        self.assert_passes(standards.check, standards.PAGE, self.page())
        for shown in ("[this](a.md)", "`farlane run --mem 8Gi`", "`Ledger.KeepsItsSums`"):
            self.assert_passes(standards.check, standards.PAGE,
                               self.page(without="6 a", row=f"| 6 a | shall | x | met | {shown} |"))


class Tools(Rules):
    def test_catches_a_wire_that_is_not_the_locked_one(self):
        tree = self.tree({})
        for folder in ("codegen", "spec"):
            shutil.copytree(CODEGEN / folder, tree.root / "protocol" / folder)
        self.assertEqual(tools.check_wire_lock(tree), [])
        lock = tree.root / "protocol/spec/wire.lock"
        lock.write_text("".join(lock.read_text(encoding="utf-8").splitlines(True)[:-1]), encoding="utf-8")
        self.assertTrue(tools.check_wire_lock(tree))

    def test_catches_another_layout(self):
        if not shutil.which(tools.FORMATTER):
            self.skipTest(f"{tools.FORMATTER} is not installed")
        style = {".clang-format": "BasedOnStyle: Google\n"}
        self.assert_caught(tools.check_clang_format, "a.cc", "int  a ;\n", **style)
        self.assert_passes(tools.check_clang_format, "a.cc", "int a;\n", **style)


class Program(Rules):
    def test_reports_and_fails(self):
        tree = self.tree({"a.cc": "using namespace std;\n"})
        script = Path(tidy.__file__)
        done = subprocess.run(["python3", "-B", script, "--root", tree.root, "words", "licence"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("words: a.cc:1: using namespace", done.stdout)
        self.assertIn("licence: a.cc:1:", done.stdout)


if __name__ == "__main__":
    unittest.main()
