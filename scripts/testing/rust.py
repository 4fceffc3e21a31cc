"""The workspace's test programs: which tests they hold, and a job for each test.

A process for each test tells its wall and CPU seconds, lets tests of all programs run side by
side, and keeps one that dies from taking others along.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .jobs import Job


@dataclass(frozen=True)
class Program:
    """A compiled test program, as cargo names it."""

    package: str
    target: str
    path: Path
    folder: Path


@dataclass(frozen=True)
class Traits:
    """How the tests of a program run."""

    step: str
    needs: tuple[str, ...] = ()
    cores: float = 1.0
    memory_mb: int = 200
    locks: frozenset[str] = frozenset()
    prefix: tuple[str, ...] = ()
    limit_s: float = 300
    environment: tuple[tuple[str, str], ...] = ()


def programs(log: Path) -> list[Program]:
    """The test programs that `cargo test --no-run --message-format=json…` named in its output."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if not line.startswith("{"):
            continue
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if message.get("reason") == "compiler-artifact" and message.get("executable") and message["profile"]["test"]:
            manifest = Path(message["manifest_path"])
            # "path+file:///…/crates/cli#0.1.0", or with a name: "…/project#vivarium-desktop@0.1.0".
            end = message["package_id"].rsplit("#", 1)[1]
            package = end.split("@")[0] if "@" in end else manifest.parent.name
            found.append(Program(package, message["target"]["name"], Path(message["executable"]), manifest.parent))
    return found


def names(program: Program) -> list[str]:
    """The tests of a program, in their order; ignored ones are not among them."""
    def listed(*more: str) -> list[str]:
        command = [str(program.path), "--list", "--format", "terse", *more]
        output = subprocess.run(command, cwd=program.folder, capture_output=True, text=True, check=True, timeout=60).stdout
        return [line.removesuffix(": test") for line in output.splitlines() if line.endswith(": test")]

    ignored = set(listed("--ignored"))
    return [name for name in listed() if name not in ignored]


def tests(program: Program, traits: Traits, alone: Callable[[str], str]) -> list[Job]:
    """A job for each test of a program."""
    jobs = []
    for name in names(program):
        whole = f"{program.package}/{program.target}::{name}"
        jobs.append(
            Job(
                step=traits.step,
                name=whole,
                command=[*traits.prefix, str(program.path), "--exact", name, "--nocapture"],
                needs=traits.needs,
                cores=traits.cores,
                memory_mb=traits.memory_mb,
                locks=traits.locks,
                alone=alone(whole),
                environment={"CARGO_MANIFEST_DIR": str(program.folder), **dict(traits.environment)},
                folder=program.folder,
                limit_s=traits.limit_s,
                is_test=True,
                repeat=f"./scripts/test.sh --only '{traits.step}:{whole}'",
            )
        )
    return jobs
