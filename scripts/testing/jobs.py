"""What is to be run: jobs, and the steps that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Job:
    """One command, or a Python function that adds more jobs.

    `needs` names jobs or whole steps that must have passed first. `cores` is how much of the
    processor it keeps busy (a test that waits for containers less than one). Of jobs that share a
    name in `locks` one runs at a time. `alone` says why nothing else may run beside it.
    """

    step: str
    name: str
    command: Sequence[str] = ()
    needs: Sequence[str] = ()
    cores: float = 1.0
    memory_mb: int = 200
    locks: frozenset[str] = frozenset()
    alone: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    limit_s: float = 900
    # A file that grows with each test that the command itself runs: `limit_s` counts from the last growth, so
    # that a busy computer takes longer and only what hangs is ended.
    progress: Path | None = None
    # Called with the finished log when the command has passed; answers jobs that come of it.
    then: Callable[[Path], list["Job"]] | None = None
    # Results of the tests that the command itself runs: a function of the log's path.
    inner: Callable[[Path], list["InnerTest"]] | None = None
    is_test: bool = False
    # What a person types to run just this again.
    repeat: str = ""

    @property
    def waits(self) -> bool:
        """Whether it waits (for containers, the network) more than it computes."""
        return self.cores < 1

    @property
    def id(self) -> str:
        """The step's name, and the job's where they differ."""
        return self.step if self.name == self.step else f"{self.step}:{self.name}"


@dataclass
class InnerTest:
    """One test that another runner ran, with its beginning and end in seconds since the epoch."""

    name: str
    started: float
    ended: float
    passed: bool
    cpu_s: float | None = None


@dataclass
class Result:
    """How a job ended. `cpu_s` is that of its processes, without what ran in containers."""

    job: Job
    state: str  # passed, failed, timed out, not run
    started: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    log: Path | None = None
    why: str = ""
    inner: list[InnerTest] = field(default_factory=list)
