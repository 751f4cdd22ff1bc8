# SPDX-License-Identifier: Apache-2.0
"""What the client library asks of the system that it is loaded into."""

import os
import re
import shlex
import subprocess
import unittest

_OBJDUMP = os.environ["FARLANE_OBJDUMP"]
# A program that calls one function of a library, and what runs it, if this machine cannot.
_CALL = [*shlex.split(os.environ["FARLANE_EMULATOR"]), os.environ["FARLANE_CALL"]]
_CLIENT = os.environ["FARLANE_CLIENT_LIBRARY"]
_MONITORING = os.environ["FARLANE_MONITORING_LIBRARY"]
_PROBE = os.environ["FARLANE_PROBE_LIBRARY"]
_FLOOR = (2, 28)
# The loader's own name differs by architecture.
_NEEDED = re.compile(r"(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|libanl\.so\.1|"
                     r"ld-linux[-\w]*\.so\.\d)")
_PROBES = ("CatchesWhatItThrows", "CatchesWhatTheLibraryThrows", "RunsThreads", "KeepsValuesOfThreads",
           "BlocksSignals", "DrawsNumbers")  # fmt: skip


def _output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dynamic_symbols(library):
    """(name, version or "", whether it is the library's own) of every dynamic symbol that others can see."""
    found = []
    for line in _output(_OBJDUMP, "-T", library).splitlines():
        match = re.match(r"[0-9a-f]{8,} ([^l].{6}) (\S+)\s+[0-9a-f]+ +(?:(\S+) +)?(?:\.hidden |\.protected )?(\S+)$", line)
        if match:
            _, section, version, name = match.groups()
            version = (version or "").strip("()")
            found.append((name, "" if version == "Base" else version, section != "*UND*"))
    return found


def too_new(symbols):
    """Undefined symbols of a C library newer than the floor."""
    newer = []
    for name, version, own in symbols:
        match = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", version)
        if not own and version and (not match or (int(match[1]), int(match[2])) > _FLOOR):
            newer.append(f"{name}@{version}")
    return newer


def call(library, function):
    """What the function answers to 0."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FARLANE_")}
    return subprocess.run([*_CALL, library, function], env=environment, capture_output=True, text=True, timeout=30,
                          check=False)


class GlibcFloor(unittest.TestCase):
    def test_no_symbol_is_newer_than_the_floor(self):
        for library in (_CLIENT, _MONITORING):
            symbols = dynamic_symbols(library)
            self.assertIn("memcpy", [name for name, _, own in symbols if not own])
            self.assertEqual(too_new(symbols), [])

    def test_a_symbol_that_is_newer_would_be_seen(self):
        symbols = [("a", "GLIBC_2.28", False), ("b", "GLIBC_2.29", False), ("c", "GLIBC_3.0", False),
                   ("d", "GLIBC_2.2.5", False), ("e", "GLIBCXX_3.4", False), ("f", "", False)]  # fmt: skip
        self.assertEqual(too_new(symbols), ["b@GLIBC_2.29", "c@GLIBC_3.0", "e@GLIBCXX_3.4"])

    def test_it_exports_its_functions_and_its_marker_and_nothing_else(self):
        for library, prefix, first in ((_CLIENT, "cu", "cuInit"), (_MONITORING, "nvml", "nvmlInit_v2")):
            own = [name for name, _, own in dynamic_symbols(library) if own]
            self.assertIn(first, own)
            self.assertEqual([name for name in own if not name.startswith(prefix)], ["farlane_client_shim"])

    def test_it_needs_no_library_but_the_c_library(self):
        for library in (_CLIENT, _MONITORING):
            needed = re.findall(r"NEEDED\s+(\S+)", _output(_OBJDUMP, "-p", library))
            self.assertIn("libc.so.6", needed)
            # Threads come from there before glibc 2.34.
            self.assertIn("libpthread.so.0", needed)
            self.assertEqual([name for name in needed if not _NEEDED.fullmatch(name)], [])

    def test_it_loads_and_answers(self):
        done = call(_CLIENT, "cuInit")
        self.assertEqual((done.returncode, done.stdout), (0, "100\n"), done.stderr)
        self.assertRegex(done.stderr, r"^farlane: .*FARLANE_SERVER[^\n]*\n$")


class Replacements(unittest.TestCase):
    def test_the_probe_has_the_same_floor(self):
        self.assertEqual(too_new(dynamic_symbols(_PROBE)), [])

    def test_they_do_what_the_c_library_does(self):
        for probe in _PROBES:
            with self.subTest(probe):
                done = call(_PROBE, probe)
                self.assertEqual((done.returncode, done.stdout), (0, "1\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
