#!/usr/bin/env python3
"""Measures the queue of tasks: empty tasks per second with 32 clients, and how long accepting one takes.

    scripts/bench/tasks.py [--folder FOLDER] [--seconds N] [--runs N]

Builds `crates/tasks/examples/throughput.rs` in release mode first. The folder decides which disk is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Runs it, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=str(ROOT / "target"))
    parser.add_argument("--seconds", default="5")
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args()
    built = ["cargo", "build", "--quiet", "--release", "--package", "tasks", "--example", "throughput"]
    subprocess.run(built, cwd=ROOT, check=True)
    program = ROOT / "target/release/examples/throughput"
    print(f"{'tasks/s':>10} {'accept p50':>12} {'p99':>10} {'page':>10}")
    for _ in range(told.runs):
        ran = subprocess.run([program, told.folder, told.seconds], check=True, capture_output=True, text=True)
        run = json.loads(ran.stdout)
        print(f"{run['per_second']:>10.0f} {run['accept_p50_ms']:>9.2f} ms {run['accept_p99_ms']:>7.2f} ms {run['page_ms']:>7.2f} ms")


if __name__ == "__main__":
    main()
