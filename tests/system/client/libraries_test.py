#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's libraries in programs, and how often they have to wait for the server when they are first used.

The kernels are not run (FARLANE_SOFT_NULL): the software GPU has no machine code, of which these libraries mostly
consist. What they ask of a driver, and how often, is the same.
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

from library_programs import ON_EACH_DEVICE
from real_server import CLIENT, SANITIZER, SLOWNESS, Client, Server, client_environment, die_with_parent

LIBRARIES = pathlib.Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "lib64"

PROGRAM = """
import ctypes, sys
cudart = ctypes.CDLL("libcudart.so")
def ok(what, result):
    if result != 0:
        sys.exit(f"{what}: {result}")
memory = ctypes.c_void_p()
ok("cudaMalloc", cudart.cudaMalloc(ctypes.byref(memory), 1 << 20))
"""

SGEMM = PROGRAM + """
cublas = ctypes.CDLL("libcublas.so")
handle = ctypes.c_void_p()
ok("cublasCreate", cublas.cublasCreate_v2(ctypes.byref(handle)))
one, none = ctypes.c_float(1), ctypes.c_float(0)
ok("cublasSgemm", cublas.cublasSgemm_v2(handle, 0, 0, 256, 256, 256, ctypes.byref(one), memory, 256, memory, 256,
                                        ctypes.byref(none), memory, 256))
ok("cudaDeviceSynchronize", cudart.cudaDeviceSynchronize())
"""

ALL_REDUCE = PROGRAM + """
nccl = ctypes.CDLL("libnccl.so")
communicator = ctypes.c_void_p()
device = ctypes.c_int(0)
ok("ncclCommInitAll", nccl.ncclCommInitAll(ctypes.byref(communicator), 1, ctypes.byref(device)))
ok("ncclAllReduce", nccl.ncclAllReduce(memory, memory, ctypes.c_size_t(1024), 7, 0, communicator, None))
ok("cudaDeviceSynchronize", cudart.cudaDeviceSynchronize())
ok("ncclCommDestroy", nccl.ncclCommDestroy(communicator))
"""

# A rank on each of two devices.
TWO_RANKS = PROGRAM + """
nccl = ctypes.CDLL("libnccl.so")
communicators = (ctypes.c_void_p * 2)()
ok("ncclCommInitAll", nccl.ncclCommInitAll(communicators, 2, (ctypes.c_int * 2)(0, 1)))
memories = [memory, ctypes.c_void_p()]
ok("cudaSetDevice", cudart.cudaSetDevice(1))
ok("cudaMalloc", cudart.cudaMalloc(ctypes.byref(memories[1]), 1 << 20))
ok("ncclGroupStart", nccl.ncclGroupStart())
for rank in (0, 1):
    ok("ncclAllReduce", nccl.ncclAllReduce(memories[rank], memories[rank], ctypes.c_size_t(1024), 7, 0,
                                           ctypes.c_void_p(communicators[rank]), None))
ok("ncclGroupEnd", nccl.ncclGroupEnd())
for rank in (0, 1):
    ok("cudaSetDevice", cudart.cudaSetDevice(rank))
    ok("cudaDeviceSynchronize", cudart.cudaDeviceSynchronize())
"""


@unittest.skipIf(SANITIZER, "a program without the sanitizer cannot load a library that has it")
class Libraries(Client):
    def run_program(self, program, library, devices):
        """What a program that uses a library of the toolkit's says, and what the client library says of it."""
        for needed in (library, "libcudart.so"):
            if not (LIBRARIES / needed).exists():
                self.skipTest(f"no {needed} in {LIBRARIES}")
        server = Server(FARLANE_SOFT_DEVICES=str(devices), FARLANE_SOFT_NULL="1", FARLANE_SOFT_MEMORY="2Gi")
        self.addCleanup(server.stop)
        environment = client_environment(server.address, LD_LIBRARY_PATH=f"{CLIENT}:{LIBRARIES}",
                                         FARLANE_TRANSPORT=self.TRANSPORT, FARLANE_TRACE="summary,waits")
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True,
                              preexec_fn=die_with_parent, timeout=120 * SLOWNESS, check=False)
        server.stop()
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, done.stderr


class ToTheLastLine(Libraries):
    def test_each_library_on_one_device_and_on_two(self):
        for library, program in ON_EACH_DEVICE.items():
            for devices in (1, 2):
                with self.subTest(library, devices=devices):
                    out, errors = self.run_program(program, library, devices)
                    self.assertEqual(out, "done\n", errors)
                    self.assertNotIn("not supported", errors)


class FirstUse(Libraries):
    def waits(self, program, library, devices):
        """How often the program waits in all."""
        out, self.told = self.run_program(program, library, devices)
        found = re.search(r" round_trips=(\d+)", self.told)
        self.assertEqual(out, "")
        self.assertIsNotNone(found, self.told)
        return int(found.group(1))

    def test_a_first_product_of_matrices(self):
        for devices in (1, 2):
            with self.subTest(devices):
                self.assertLessEqual(self.waits(SGEMM, "libcublas.so", devices), 20, self.told)

    def test_a_first_communicator(self):
        for devices in (1, 2):
            with self.subTest(devices):
                self.assertLessEqual(self.waits(ALL_REDUCE, "libnccl.so", devices), 60, self.told)

    def test_a_communicator_of_two_devices(self):
        self.assertLessEqual(self.waits(TWO_RANKS, "libnccl.so", 2), 60, self.told)


if __name__ == "__main__":
    unittest.main()
