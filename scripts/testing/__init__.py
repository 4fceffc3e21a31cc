"""Runs the project's tests: `scripts/test.sh` calls it. Start reading in `__main__.py`.

jobs         what is to be run, and what it needs
process      one command: its log, its time limit, wall and CPU seconds
scheduler    which job runs when
rust         the workspace's test programs, one process for each test
inner        times of the tests that another runner (vitest, unittest) ran
plan         the project's own steps
report       progress, the table of times, what failed
"""
