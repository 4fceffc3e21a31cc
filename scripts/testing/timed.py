"""Runs unittest, or a script that ends in `unittest.main()`, and writes down when each test ran.

    python scripts/testing/timed.py discover -s FOLDER
    python scripts/testing/timed.py SCRIPT.py ARGUMENT…

Nothing is written if VIVARIUM_TEST_TIMES isn't set.
"""

import json
import os
import runpy
import sys
import time
import unittest


def write_down_times(path: str) -> None:
    """Makes each test of this process append its name, beginning, end and outcome to a file."""
    # In a buffer of its own for each line: several processes may write to one file.
    start, stop = unittest.TextTestResult.startTest, unittest.TextTestResult.stopTest

    def start_test(self, test):
        self.began_at = time.time()
        self.failures_before = len(self.failures) + len(self.errors)
        start(self, test)

    def stop_test(self, test):
        stop(self, test)
        passed = len(self.failures) + len(self.errors) == self.failures_before
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"name": test.id(), "started": self.began_at, "ended": time.time(), "passed": passed}) + "\n")

    unittest.TextTestResult.startTest, unittest.TextTestResult.stopTest = start_test, stop_test


if __name__ == "__main__":
    if os.environ.get("VIVARIUM_TEST_TIMES"):
        write_down_times(os.environ["VIVARIUM_TEST_TIMES"])
    if sys.argv[1] == "discover":
        sys.path[0] = os.getcwd()
        unittest.main(module=None)
    else:
        sys.argv = [os.path.abspath(sys.argv[1]), *sys.argv[2:]]
        sys.path[0] = os.path.dirname(sys.argv[0])
        runpy.run_path(sys.argv[0], run_name="__main__")
