"""One command in a process group of its own: log, time limit, wall and CPU seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

GRACE_S = 10
SAMPLE_S = 0.25
TICKS = os.sysconf("SC_CLK_TCK")


class Running:
    """A command that runs. `cpu_at` is known while it runs and afterwards, where `sampled`."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str], folder: Path | None, sampled: bool = False):
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.time()
        self._began = time.monotonic()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **environment}, cwd=folder, start_new_session=True,
            )
        self._samples: list[tuple[float, float]] = [(self.started, 0.0)]
        self._ended = threading.Event()
        if sampled:
            threading.Thread(target=self._sample, daemon=True).start()

    def end(self, sign: int = signal.SIGTERM) -> None:
        """Asks the whole group to end."""
        try:
            os.killpg(self.process.pid, sign)
        except ProcessLookupError:
            pass

    def wait(self, limit_s: float, progress: Path | None = None) -> tuple[int | None, float, float]:
        """Exit code (None after the time limit), wall seconds, CPU seconds.

        Each time the file `progress` grows the limit counts from then.
        """
        self._passed_limit = False
        threading.Thread(target=self._limit, args=(limit_s, progress), daemon=True).start()
        _, status, usage = os.wait4(self.process.pid, 0)
        self._ended.set()
        # What it left in its group is not to weigh on the next one.
        self.end(signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        wall = time.monotonic() - self._began
        cpu = usage.ru_utime + usage.ru_stime
        self._samples.append((self.started + wall, cpu))
        return (None if self._passed_limit else code), wall, cpu

    def cpu_between(self, started: float, ended: float) -> float:
        """CPU seconds of the group between two moments, from samples."""
        return max(0.0, self._cpu_at(ended) - self._cpu_at(started))

    def _cpu_at(self, moment: float) -> float:
        before = self._samples[0]
        for sample in sorted(self._samples):
            if sample[0] >= moment:
                span = sample[0] - before[0]
                share = (moment - before[0]) / span if span > 0 else 1.0
                return before[1] + (sample[1] - before[1]) * max(0.0, min(1.0, share))
            before = sample
        return before[1]

    def _limit(self, limit_s: float, progress: Path | None) -> None:
        grown, ends = size_of(progress), time.monotonic() + limit_s
        while not self._ended.wait(max(0.0, ends - time.monotonic())):
            now = size_of(progress)
            if now == grown:
                return self._too_long()
            grown, ends = now, time.monotonic() + limit_s

    def _too_long(self) -> None:
        self._passed_limit = True
        self.end()
        if not self._ended.wait(GRACE_S):
            self.end(signal.SIGKILL)

    def _sample(self) -> None:
        highest = 0.0
        while not self._ended.wait(SAMPLE_S):
            # A process that ended is in its parent's times once it was waited for.
            highest = max(highest, session_cpu(self.process.pid))
            self._samples.append((time.time(), highest))


def size_of(file: Path | None) -> int:
    """Bytes of a file, 0 where there is none."""
    try:
        return file.stat().st_size if file else 0
    except FileNotFoundError:
        return 0


def session_cpu(session: int) -> float:
    """CPU seconds of all processes of a session and of the children that they waited for."""
    ticks = 0
    for entry in os.scandir("/proc") if os.path.isdir("/proc/self") else ():
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
        except OSError:
            continue
        fields = stat[stat.rfind(")") + 2 :].split()
        if int(fields[3]) == session:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS
