# SPDX-License-Identifier: Apache-2.0
"""A private GPU server on a free port, which ends with whoever holds it."""
import os
import select
import subprocess
from pathlib import Path

START_LIMIT_S = 30


class ServerLost(Exception):
    """The server did not come up."""


class Server:
    """Thread: any, after the start."""

    def __init__(self, gpud: Path, driver: str, log: Path, environment: dict[str, str]):
        ready, told = os.pipe()
        watched, self.hold = os.pipe()
        command = [gpud, "--listen", "tcp://127.0.0.1:0", "--driver", driver, "--log-level",
                   "error", "--ready-fd", str(told), "--watch-fd", str(watched)]
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=(told, watched),
                start_new_session=True,
            )
        os.close(told)
        os.close(watched)
        with os.fdopen(ready, "rb") as pipe:
            if not select.select([pipe], [], [], START_LIMIT_S)[0]:
                self.end()
                raise ServerLost(f"{gpud} accepts nobody after {START_LIMIT_S} s")
            self.address = pipe.readline().decode().strip()
        if not self.address:
            self.end()
            raise ServerLost(f"{gpud} ended at once; {log} says why")

    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        if self.hold >= 0:
            os.close(self.hold)
            self.hold = -1
        try:
            self.process.wait(timeout=START_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
