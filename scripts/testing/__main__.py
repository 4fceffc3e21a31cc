"""Runs all steps, or those that are asked for, and tells how it went.

    python3 -m testing --root PROJECT --instance PREFIX [--fast|--full] [--only STEP[:PART]]… [--list]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from . import plan, report
from .scheduler import Scheduler


def times_file() -> Path:
    """Where this computer remembers how long each job took."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache, "vivarium/test-times.json")


def remembered(path: Path) -> dict[str, float]:
    """Seconds by job; none if the file is missing or damaged."""
    try:
        told = json.loads(path.read_text())
        return {str(name): float(seconds) for name, seconds in told.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def remember(path: Path, results: list) -> None:
    """Writes down how long what passed took, beside what is known of the rest."""
    known = remembered(path) | {result.job.id: round(result.wall_s, 2) for result in results if result.state == "passed"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(known))
        aside.replace(path)
    except OSError:
        pass  # Only estimates come of it.


def main() -> int:
    """Answers the exit code: 0 if everything passed."""
    parser = argparse.ArgumentParser(prog="scripts/test.sh")
    parser.add_argument("--root", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--instance", default="vtest", help=argparse.SUPPRESS)
    parser.add_argument("--setup-seconds", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--fast", action="store_true", help="leave out what needs an engine or a window")
    parser.add_argument("--full", action="store_true", help="more repetitions: 50 evolves, 200 kills, every power cut")
    parser.add_argument("--only", action="append", default=[], metavar="STEP[:PART]", help="run this step, or its tests whose names contain PART, with what it needs")
    parser.add_argument("--needs-engine", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="print the steps' names")
    options = parser.parse_args()
    if options.list:
        print("\n".join(plan.steps()))
        return 0
    for one in options.only:
        if one.partition(":")[0] not in plan.steps():
            parser.error(f"there is no step {one.partition(':')[0]}; --list prints them all")

    if options.needs_engine:
        print("yes" if plan.needs_engine(options.fast, options.only) else "no")
        return 0

    root = options.root.resolve()
    logs = root / "target/test-logs"
    shutil.rmtree(logs, ignore_errors=True)
    project = plan.Project(root, logs, options.instance, options.full, options.fast, options.only)
    os.environ.update(plan.environment(project))
    expected = remembered(times_file())
    began = time.monotonic()
    with report.Reporter(logs, expected) as reporter:
        scheduler = Scheduler(logs, reporter, expected)
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda *_: scheduler.stop())
        scheduler.add(plan.with_needs(plan.jobs(project), options.only))
        results = scheduler.run()
    remember(times_file(), results)
    report.summary(results, time.monotonic() - began, options.setup_seconds, root / "target/test-times.json")
    return closing(results, options)


def closing(results: list, options: argparse.Namespace) -> int:
    """Names what failed and counts; a run without any test is a failure."""
    failed = [result for result in results if result.state != "passed"]
    tests = report.tests_table(results)
    if failed:
        print("\nFailed:")
        for result in failed:
            if result.state != "not run":
                print(f"  {result.job.id}: {result.state}{f', {result.why}' if result.why else ''}")
                print(f"    log {result.log}\n    repeat {result.job.repeat}")
        skipped = Counter((result.job.step, result.why) for result in failed if result.state == "not run")
        for (step, why), count in skipped.items():
            print(f"  {step}: {count} not run, {why}")
    if options.fast:
        print(f"\nLeft out by --fast: {', '.join(sorted(plan.WITH_ENGINE))}")
    passed = sum(test["passed"] for test in tests)
    print(f"\n{passed} passed, {len(tests) - passed} failed")
    if not failed and not tests and not options.only:
        print("No test ran.", file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
