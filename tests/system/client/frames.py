# SPDX-License-Identifier: Apache-2.0
"""How much of the software GPU's memory is given out, as its own table of frames says (soft-gpu/device/frame_file.cc):
counted by nobody but the driver's."""

import array
import fcntl
import mmap
import os
import pathlib
import struct

FRAME_BYTES = 2 << 20
DEVICES_MAX = 16
SLOTS = 1024
LIVES_AT = 24 + DEVICES_MAX * 8
OTHER_BYTES = 1 << 20
ENGINES_BYTES = 128 << 10
MAGIC = 0x35656C694672614D  # of this layout
ARRAYS = 4  # of numbers, one for each frame of a device
# A process holds a lock on the byte of its slot for as long as it lives.
SLOT_LOCKS = 1 << 60
OFD_GETLK = 36
FLOCK = "hhxxxxqqixxxx"
ONLY_JOINED = 0xFFFFFFFF  # given up by its owner, and held by others


class Frames:
    """The table of the first device of a server."""

    def __init__(self, server):
        folder = pathlib.Path(f"/proc/{server.pid}/fd")
        shared = next(fd for fd in folder.iterdir() if "farlane-devices" in os.readlink(fd))
        self.dead = {}  # by slot: which of its processes
        self.file = open(shared, "rb")  # kept, to ask for locks
        with open(shared, "rb") as file:
            magic, devices, _, capacity = struct.unpack("QIIQ", file.read(24))
            if magic != MAGIC:
                raise AssertionError(f"another layout of the table: {magic:#x}")
            header = LIVES_AT + SLOTS * 4
            self.count = capacity // FRAME_BYTES
            self.at = header + OTHER_BYTES + ENGINES_BYTES
            self.map = mmap.mmap(file.fileno(), self.at + devices * self.count * ARRAYS * 4, prot=mmap.PROT_READ)
        if not 1 <= devices <= DEVICES_MAX or capacity % FRAME_BYTES:
            raise AssertionError(f"no table of frames: {devices} devices of {capacity} bytes")

    def owners(self):
        """By frame: whose it is, 0 for nobody's."""
        return array.array("I", self.map[self.at:self.at + self.count * 4])

    def lives(self, slot):
        """Whether the process of a slot does; what the dead had is taken when it is needed."""
        asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, SLOT_LOCKS + slot, 1, 0)
        return struct.unpack(FLOCK, fcntl.fcntl(self.file, OFD_GETLK, asked))[0] != fcntl.F_UNLCK

    def is_dead(self, slot):
        """A slot's next process takes it first, empties what the former one had, and then counts as another one."""
        life = struct.unpack_from("I", self.map, LIVES_AT + slot * 4)
        if not self.lives(slot):
            self.dead[slot] = life
        return self.dead.get(slot) == life

    def used_bytes(self):
        owners = self.owners()
        dead = {slot for slot in set(owners) - {0, ONLY_JOINED} if self.is_dead(slot)}
        return sum(1 for slot in owners if slot != 0 and slot not in dead) * FRAME_BYTES

    def close(self):
        self.map.close()
        self.file.close()
