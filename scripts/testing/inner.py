"""Times of the tests that another runner ran: it writes a line of JSON for each.

The runners' side: `timed.py` for unittest, `times.mjs` for node:test, `ui/test-times.ts` for vitest.
"""

from __future__ import annotations

import json
from pathlib import Path

from .jobs import InnerTest

# Names the file, in the environment of a job.
VARIABLE = "VIVARIUM_TEST_TIMES"


def file_of(logs: Path, step: str, name: str) -> Path:
    """Where a job's tests are written down."""
    return logs / step / f"{name}.times"


def read(path: Path) -> list[InnerTest]:
    """All that was written; a line that was cut off is left out."""
    found = []
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            told = json.loads(line)
            found.append(InnerTest(str(told["name"]), float(told["started"]), float(told["ended"]), bool(told["passed"])))
        except (ValueError, KeyError, TypeError):
            continue
    return found
