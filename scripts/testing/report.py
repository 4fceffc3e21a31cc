"""What a person sees: progress, what failed with the end of its log, and where the time went."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from .jobs import Job, Result

EVERY_S = 15
SLOWEST = 20
TAIL_LINES = 60
LINE_LENGTH = 4000


def duration(seconds: float) -> str:
    """A duration in words: 7.3 s, 3 min 05 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def tail(log: Path, lines: int) -> list[str]:
    """The last lines of a log, without cargo's messages for programs."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 200_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    told = [line.rstrip()[:LINE_LENGTH] for line in text.splitlines() if line.strip() and not line.startswith('{"reason"')]
    return told[-lines:]


class Reporter:
    """Prints what happens; a line every 15 s says what is running."""

    def __init__(self, logs: Path, expected: dict[str, float], output=sys.stdout):
        self.logs = logs
        self.expected = expected
        self.output = output
        self.began = time.monotonic()
        self.started_at = time.time()
        self.running: dict[str, tuple[Job, float]] = {}
        self.passed = 0
        self.failed = 0
        self.total = 0
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Reporter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def started(self, job: Job) -> None:
        """A job begins. Single tests are only counted."""
        with self._lock:
            self.running[job.id] = (job, time.monotonic())
            if not job.is_test:
                last = self.expected.get(job.id)
                self._say(f"… {job.id}{f' (last time {duration(last)})' if last else ''}")

    def ended(self, result: Result) -> None:
        """A job has ended, or will not run."""
        job = result.job
        with self._lock:
            self.running.pop(job.id, None)
            if result.state == "passed":
                self.passed += 1
                if not job.is_test:
                    inner = f", {len(result.inner)} tests" if result.inner else ""
                    self._say(f"✓ {job.id}: {duration(result.wall_s)}{inner}")
                return
            self.failed += 1
            if result.state == "not run" and job.is_test:
                return
            self._say(f"✗ {job.id}: {result.state}{f', {result.why}' if result.why else ''}")
            if result.log and result.state != "not run":
                self._tell_failure(result)

    def _tell_failure(self, result: Result) -> None:
        for line in tail(result.log, TAIL_LINES):
            self._say(f"    │ {line}")
        self._say(f"    Whole log: {result.log}")
        if result.job.repeat:
            self._say(f"    Repeat:    {result.job.repeat}")

    def _say(self, text: str) -> None:
        elapsed = int(time.monotonic() - self.began)
        print(f"[{elapsed // 60:3d}:{elapsed % 60:02d}] {text}", file=self.output, flush=True)

    def _tick(self) -> None:
        while not self._end.wait(EVERY_S):
            with self._lock:
                now = time.monotonic()
                told = []
                for job, since in sorted(self.running.values(), key=lambda one: one[1])[:4]:
                    last = self.expected.get(job.id)
                    told.append(f"{job.id} {duration(now - since)}{f' of {duration(last)}' if last else ''}")
                more = len(self.running) - len(told)
                done = f"{self.passed} passed" + (f", {self.failed} failed" if self.failed else "")
                self._say(f"  {done} · running: {', '.join(told) or 'nothing'}{f' and {more} more' if more > 0 else ''}")


def steps_table(results: list[Result]) -> list[dict]:
    """Each step with wall seconds (first start to last end), CPU seconds, and its tests."""
    steps: dict[str, dict] = {}
    for result in results:
        step = steps.setdefault(result.job.step, {"name": result.job.step, "tests": 0, "failed": 0, "cpu_s": 0.0, "busy_s": 0.0, "from": None, "to": None})
        step["tests"] += len(result.inner) or int(result.job.is_test)
        step["failed"] += result.state != "passed"
        step["cpu_s"] += result.cpu_s
        step["busy_s"] += result.wall_s
        if result.started:
            ended = result.started + result.wall_s
            step["from"] = min(step["from"] or result.started, result.started)
            step["to"] = max(step["to"] or ended, ended)
    for step in steps.values():
        step["wall_s"] = (step.pop("to") or 0) - (step.pop("from") or 0)
    return list(steps.values())


def tests_table(results: list[Result]) -> list[dict]:
    """Every test with its wall and CPU seconds, the slowest first."""
    tests = []
    for result in results:
        if result.job.is_test and result.started:
            tests.append({"name": result.job.id, "wall_s": result.wall_s, "cpu_s": result.cpu_s, "passed": result.state == "passed"})
        for test in result.inner:
            tests.append({"name": f"{result.job.step}:{test.name}", "wall_s": test.ended - test.started, "cpu_s": test.cpu_s, "passed": test.passed})
    tests.sort(key=lambda test: -test["wall_s"])
    return tests


def summary(results: list[Result], seconds: float, setup_s: float, path: Path, output=sys.stdout) -> None:
    """Prints the tables and writes them, whole, as JSON."""
    steps, tests = steps_table(results), tests_table(results)
    rounded = [{key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()} for row in [*steps, *tests]]
    data = {"seconds": round(seconds, 1), "setup_s": round(setup_s, 1), "steps": rounded[: len(steps)], "tests": rounded[len(steps) :]}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(data, indent=1) + "\n")
    aside.replace(path)
    print(f"\n{'Step':<28}{'wall s':>9}{'sum s':>9}{'CPU s':>9}{'tests':>7}   (steps run side by side; sum: of its jobs;", file=output)
    print(f"{'set-up':<28}{setup_s:>9.1f}{'':>25}    CPU: without what ran in containers)", file=output)
    for step in steps:
        mark = f"   {step['failed']} failed" if step["failed"] else ""
        print(f"{step['name']:<28}{step['wall_s']:>9.1f}{step['busy_s']:>9.1f}{step['cpu_s']:>9.1f}{step['tests'] or '':>7}{mark}", file=output)
    print(f"{'all':<28}{seconds + setup_s:>9.1f}{'':>9}{sum(step['cpu_s'] for step in steps):>9.1f}{len(tests):>7}", file=output)
    print(f"\n{'wall s':>8}{'CPU s':>8}  The {min(SLOWEST, len(tests))} slowest tests", file=output)
    for test in tests[:SLOWEST]:
        cpu = "" if test["cpu_s"] is None else f"{test['cpu_s']:.1f}"
        print(f"{test['wall_s']:>8.1f}{cpu:>8}  {test['name']}", file=output)
    print(f"\nWritten to {path}", file=output)
