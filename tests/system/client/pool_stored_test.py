#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a manager has told somebody is stored: it is killed while many are being told, and the next one knows them all."""

import http.client
import threading
import unittest

import pool_test
from real_server import SLOWNESS, seconds_until

CALLERS = 16
ENOUGH = 100


class Killed(pool_test.PoolTest):
    def all_sessions(self):
        found, next_page = {}, ""
        while True:
            page = self.get("/v1/sessions?limit=5000&continue=" + next_page)
            found |= {session["id"]: session for session in page["sessions"]}
            next_page = page.get("continue", "")
            if not next_page:
                return found

    def ask_on(self, told):
        try:
            while True:
                status, said, _ = self.create(slice={"share": 0.001})
                if status != 201:
                    return
                told.append(said["session"]["id"])
        except (OSError, ValueError, http.client.HTTPException):
            pass  # it was killed

    def told_until_it_is_killed(self):
        told = []
        callers = [threading.Thread(target=self.ask_on, args=(told,)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        waited = seconds_until(lambda: len(told) >= ENOUGH, 30)
        self.manager.process.kill()
        self.manager.process.wait()
        for caller in callers:
            caller.join()
        self.assertLess(waited, 30 * SLOWNESS)
        return told

    def check(self, told):
        known = self.all_sessions()
        self.assertEqual(len(set(told)), len(told), "nobody was told what another was told")
        self.assertEqual(set(told) - set(known), set())
        self.assertEqual({known[one]["phase"] for one in told}, {"RESERVED"})


class InAFile(Killed):
    def test_each_grant_that_was_told_is_there(self):
        told = self.told_until_it_is_killed()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.check(told)


class InEtcd(pool_test.TwoManagers, Killed):
    test_one_takes_over_from_the_other_and_programs_do_not_notice = None
    test_a_manager_that_ends_hands_over_at_once = None

    def test_each_grant_that_was_told_is_there(self):
        told = self.told_until_it_is_killed()
        second = self.managers[1]
        self.assertLess(seconds_until(lambda: self.leads(second), 20), 20)
        self.manager = second
        self.check(told)


del Killed

if __name__ == "__main__":
    unittest.main()
