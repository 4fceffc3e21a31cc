"""Which job runs when: as many at once as processor and memory allow, the longest first."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from .jobs import Job, Result
from .process import Running


def available_memory_mb() -> int:
    """Memory that may be used now; 8 GiB if the system doesn't say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    return 8192


class Scheduler:
    """Runs jobs until none is left, from one thread that decides and one for each running job."""

    def __init__(self, logs: Path, listener, expected: dict[str, float], cores: float | None = None, memory_mb: int | None = None):
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
        # A little more than there is: a build is often at work with one core alone.
        self.cores = cores or processors * 1.25
        # Beside what computes, what mostly waits: each has a share of its own, so that neither is
        # left for the end.
        self.waiting_cores = self.cores
        self.memory_mb = memory_mb or int(available_memory_mb() * 0.8)
        self.logs = logs
        self.listener = listener
        self.expected = expected
        self.waiting: list[Job] = []
        self.running: dict[str, tuple[Job, float]] = {}
        self.results: dict[str, Result] = {}
        self._processes: dict[str, Running] = {}
        self._changed = threading.Condition()
        self._stopping = False

    def add(self, jobs: list[Job]) -> None:
        """Takes more jobs; an id that is there already is a mistake of the plan."""
        with self._changed:
            known = {job.id for job in self.waiting} | set(self.running) | set(self.results)
            for job in jobs:
                if job.id in known:
                    raise ValueError(f"two jobs are called {job.id}")
                known.add(job.id)
                self.waiting.append(job)
            self._changed.notify_all()

    def run(self) -> list[Result]:
        """Runs all jobs, also those that come of others, and answers their results."""
        with self._changed:
            while self.waiting or self.running:
                self._give_up_unreachable()
                started = self._start_what_fits()
                if not started and self.waiting and not self.running:
                    self._none_can_start()
                if self.running:
                    self._changed.wait(timeout=1.0)
        return list(self.results.values())

    def stop(self) -> None:
        """Starts nothing more and asks what runs to end; called by a signal's handler."""
        self._stopping = True
        for process in list(self._processes.values()):
            process.end(signal.SIGTERM)

    def _start_what_fits(self) -> bool:
        if self._stopping:
            for job in self.waiting:
                self._settle(Result(job, "not run", why="the run was stopped"))
            self.waiting.clear()
            return False
        ready = [job for job in self.waiting if all(self._state(need) == "passed" for need in job.needs)]
        # What the longest chain of jobs waits for goes first; what must be alone goes last.
        ahead = self._seconds_ahead()
        ready.sort(key=lambda job: (bool(job.alone), -ahead[job.id]))
        started = False
        kept: set[bool] = set()
        for job in ready:
            running = [other for other, _ in self.running.values()]
            if any(job.locks & other.locks for other in running) or job.waits in kept:
                continue
            if not self._fits(job, running):
                # What is free now is kept for it: smaller jobs would take it for ever.
                kept.add(job.waits)
                continue
            self.waiting.remove(job)
            self.running[job.id] = (job, time.monotonic())
            self.listener.started(job)
            threading.Thread(target=self._carry_out, args=(job,), daemon=True).start()
            started = True
        return started

    def _seconds_ahead(self) -> dict[str, float]:
        """By waiting job: how long it and the longest chain of jobs that wait for it will take."""
        dependents: dict[str, list[Job]] = {}
        for job in self.waiting:
            for need in job.needs:
                dependents.setdefault(need, []).append(job)
        ahead: dict[str, float] = {}

        def of(job: Job) -> float:
            if job.id not in ahead:
                ahead[job.id] = 0.0  # A circle of needs ends here.
                after = [*dependents.get(job.id, ()), *(dependents.get(job.step, ()) if job.step != job.id else ())]
                ahead[job.id] = self.expected.get(job.id, job.limit_s / 30) + max((of(other) for other in after), default=0.0)
            return ahead[job.id]

        for job in self.waiting:
            of(job)
        return ahead

    def _fits(self, job: Job, running: list[Job]) -> bool:
        if not running:
            # What must be alone comes last in the order, so nothing else is ready by then.
            return True
        if job.alone or any(other.alone for other in running):
            return False
        beside = [other for other in running if other.waits == job.waits]
        cores = self.waiting_cores if job.waits else self.cores
        return (
            (not beside or sum(other.cores for other in beside) + job.cores <= cores)
            and sum(other.memory_mb for other in running) + job.memory_mb <= self.memory_mb
        )

    def _state(self, need: str) -> str:
        """passed, failed, or waiting: of a job, or of all jobs of a step."""
        if need in self.results:
            return "passed" if self.results[need].state == "passed" else "failed"
        if need in self.running or any(job.id == need for job in self.waiting):
            return "waiting"
        results = [result for result in self.results.values() if result.job.step == need]
        if any(result.state != "passed" for result in results):
            return "failed"
        if any(job.step == need for job in self.waiting) or any(job.step == need for job, _ in self.running.values()):
            return "waiting"
        return "passed" if results else "unknown"

    def _give_up_unreachable(self) -> None:
        for job in list(self.waiting):
            states = {need: self._state(need) for need in job.needs}
            for need, state in states.items():
                if state in ("failed", "unknown"):
                    why = f"{need} failed" if state == "failed" else f"{need} isn't part of this run"
                    self.waiting.remove(job)
                    self._settle(Result(job, "not run", why=why))
                    break

    def _none_can_start(self) -> None:
        ready = [job for job in self.waiting if all(self._state(need) == "passed" for need in job.needs)]
        if ready:
            return
        for job in self.waiting:
            self._settle(Result(job, "failed", why=f"it needs {', '.join(job.needs)}, which never ends"))
        self.waiting.clear()

    def _carry_out(self, job: Job) -> None:
        result = Result(job, "failed")
        try:
            result = self._one(job)
        except Exception as error:  # A fault of the runner's is a failed job, never a run that hangs.
            result = Result(job, "failed", why=f"the runner failed: {error!r}", log=result.log)
        with self._changed:
            del self.running[job.id]
            self._settle(result)
            self._changed.notify_all()

    def _one(self, job: Job) -> Result:
        log = self.logs / job.step / f"{safe(job.name)}.log"
        running = Running(job.command, log, job.environment, job.folder, sampled=job.inner is not None)
        self._processes[job.id] = running
        if self._stopping:
            running.end(signal.SIGTERM)
        try:
            code, wall, cpu = running.wait(job.limit_s, job.progress)
        finally:
            del self._processes[job.id]
        result = Result(job, "passed" if code == 0 else "failed", running.started, wall, cpu, log)
        if code is None:
            result.state, result.why = "timed out", f"{job.limit_s:.0f} s without the end of a test" if job.progress else f"not done after {job.limit_s:.0f} s"
        elif code != 0:
            result.why = f"exit status {code}" if code > 0 else f"ended by signal {-code}"
        if job.inner:
            result.inner = job.inner(log)
            for test in result.inner:
                test.cpu_s = running.cpu_between(test.started, test.ended)
        if code == 0 and job.then:
            self.add(job.then(log))
        return result

    def _settle(self, result: Result) -> None:
        self.results[result.job.id] = result
        self.listener.ended(result)


def safe(name: str) -> str:
    """A job's name as that of a file."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)[:120]
