# SPDX-License-Identifier: Apache-2.0
import re
import tempfile
import unittest
from pathlib import Path

import generate
import model
import wire_lock
import wire_model
from wire_model import Field, Message

_SPEC = Path(generate.__file__).parents[1] / "spec"


def _message(name, *fields, travel="post", reply=()):
    return Message(name, "client", travel, tuple(Field(n, t) for n, t in fields), tuple(Field(n, t) for n, t in reply))


def _messages(*them):
    return {message.name: message for message in them}


class WireLock(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "wire.lock"

    def update(self, *them):
        wire_lock.update(self.path, _messages(*them))
        return wire_lock.read(self.path)

    def test_numbers_start_at_one_and_do_not_repeat(self):
        rows = self.update(_message("A"), _message("B"), _message("C"))
        self.assertEqual([number for number, _ in rows.values()], [1, 2, 3])

    def test_a_new_message_does_not_move_the_others(self):
        before = self.update(_message("B"), _message("D"))
        after = self.update(_message("A"), _message("B"), _message("C"), _message("D"))
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual(sorted(number for number, _ in after.values()), [1, 2, 3, 4])

    def test_a_message_that_is_gone_keeps_its_number(self):
        self.update(_message("A"), _message("B"))
        rows = self.update(_message("A"), _message("C"))
        self.assertEqual(rows["B"], (2, "gone"))
        self.assertEqual(rows["C"][0], 3)

    def test_even_the_last_number_is_not_used_again(self):
        self.update(_message("A"), _message("B"))
        self.update(_message("A"))
        self.assertEqual(self.update(_message("A"), _message("C"))["C"][0], 3)

    def test_only_messages_that_exist_have_numbers(self):
        self.update(_message("A"), _message("B"))
        self.update(_message("A"))
        self.assertEqual(wire_lock.numbers(self.path, _messages(_message("A"))), {"A": 1})

    def test_a_message_that_is_not_locked_is_refused(self):
        self.update(_message("A"))
        with self.assertRaisesRegex(model.SpecError, "B is not in wire.lock"):
            wire_lock.numbers(self.path, _messages(_message("A"), _message("B")))

    def test_a_message_that_went_without_a_word_is_refused(self):
        self.update(_message("A"), _message("B"))
        with self.assertRaisesRegex(model.SpecError, "B differs from wire.lock: gone"):
            wire_lock.numbers(self.path, _messages(_message("A")))

    def test_another_shape_is_refused_until_it_is_locked(self):
        self.update(_message("A", ("x", "u32")))
        changed = _messages(_message("A", ("x", "u64")))
        with self.assertRaisesRegex(model.SpecError, "A differs"):
            wire_lock.numbers(self.path, changed)
        wire_lock.update(self.path, changed)
        self.assertEqual(wire_lock.numbers(self.path, changed), {"A": 1})

    def test_a_number_that_two_messages_have_is_refused(self):
        self.path.write_text("0x0001 A client post ()\n0x0001 B client post ()\n", encoding="utf-8")
        with self.assertRaisesRegex(model.SpecError, "B 0x0001 is there twice: A"):
            wire_lock.read(self.path)

    def test_the_number_of_a_gone_message_is_refused_for_another(self):
        self.path.write_text("0x0001 A gone\n0x0001 B client post ()\n", encoding="utf-8")
        with self.assertRaisesRegex(model.SpecError, "B 0x0001 is there twice"):
            wire_lock.read(self.path)

    def test_a_name_that_is_there_twice_is_refused(self):
        self.path.write_text("0x0001 A client post ()\n0x0002 A client post ()\n", encoding="utf-8")
        with self.assertRaisesRegex(model.SpecError, "A 0x0002 is there twice"):
            wire_lock.read(self.path)

    def test_a_number_that_no_header_can_hold_is_refused(self):
        for number in ("0x0000", "0x10000"):
            self.path.write_text(f"{number} A client post ()\n", encoding="utf-8")
            with self.assertRaisesRegex(model.SpecError, "has the number"):
                wire_lock.read(self.path)


class WireHash(unittest.TestCase):
    def digest(self, *them):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "wire.lock"
            wire_lock.update(path, _messages(*them))
            return wire_lock.digest(path)

    def test_the_same_messages_have_the_same_hash(self):
        self.assertEqual(self.digest(_message("A", ("x", "u32"))), self.digest(_message("A", ("x", "u32"))))

    def test_every_change_of_a_shape_changes_it(self):
        variants = [
            _message("A", ("x", "u32"), ("y", "u64")),
            _message("A", ("y", "u64"), ("x", "u32")),
            _message("A", ("x", "u32")),
            _message("A", ("x", "i32"), ("y", "u64")),
            _message("A", ("z", "u32"), ("y", "u64")),
            _message("B", ("x", "u32"), ("y", "u64")),
            _message("A", ("x", "u32"), ("y", "u64"), travel="call"),
            _message("A", ("x", "u32"), ("y", "u64"), travel="call", reply=(("r", "u32"),)),
            _message("A", ("x", "u32"), ("y", "u64"), travel="call", reply=(("r", "u64"),)),
        ]
        hashes = [self.digest(variant) for variant in variants]
        self.assertEqual(len(set(hashes)), len(variants))

    def test_the_side_and_the_life_of_a_handle_change_it(self):
        handle = Message("A", "client", "post", (Field("h", "u64", "stream", "+"),))
        ends = Message("A", "client", "post", (Field("h", "u64", "stream", "-"),))
        server = Message("A", "server", "post", (Field("h", "u64", "stream", "+"),))
        self.assertEqual(len({self.digest(handle), self.digest(ends), self.digest(server)}), 3)

    def test_peers_before_and_after_a_message_went_do_not_agree(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "wire.lock"
            wire_lock.update(path, _messages(_message("A"), _message("B")))
            before = wire_lock.digest(path)
            wire_lock.update(path, _messages(_message("A")))
            self.assertNotEqual(wire_lock.digest(path), before)


class CommittedLock(unittest.TestCase):
    def test_every_line_has_a_number_of_its_own(self):
        lines = [line for line in (_SPEC / "wire.lock").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
        numbers = [int(re.match(r"0x([0-9a-f]{4}) \w+ ", line)[1], 16) for line in lines]
        self.assertEqual(numbers, list(range(1, len(lines) + 1)))

    def test_it_says_what_the_spec_says(self):
        found = wire_model.messages(model.load(_SPEC))
        self.assertEqual(wire_lock.check(wire_lock.read(_SPEC / "wire.lock"), found), [])

    def test_updating_it_changes_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "wire.lock"
            copy.write_bytes((_SPEC / "wire.lock").read_bytes())
            wire_lock.update(copy, wire_model.messages(model.load(_SPEC)))
            self.assertEqual(copy.read_bytes(), (_SPEC / "wire.lock").read_bytes())


if __name__ == "__main__":
    unittest.main()
