"""Tests of the runner, with small commands in place of builds and machines."""

import io
import json
import os
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from testing import inner, plan, report, rust
from testing.jobs import Job, Result
from testing.scheduler import Scheduler


class Listener:
    """Notes what the scheduler tells, with the most that ran at once."""

    def __init__(self):
        self.order = []
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()

    def started(self, job):
        with self._lock:
            self.order.append(job.id)
            self._running += 1
            self.most = max(self.most, self._running)

    def ended(self, result):
        with self._lock:
            self._running -= result.state != "not run"


def shell(name, script, **more):
    return Job("step", name, ["sh", "-c", script], **more)


class SchedulerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.listener = Listener()

    def run_jobs(self, jobs, cores=2.0, memory_mb=1000):
        scheduler = Scheduler(self.folder, self.listener, {}, cores, memory_mb)
        scheduler.add(jobs)
        return {result.job.name: result for result in scheduler.run()}

    def test_jobs_run_after_what_they_need(self):
        results = self.run_jobs([shell("second", "test -e first", needs=["step:first"], folder=self.folder), shell("first", "touch first", folder=self.folder)])
        self.assertEqual({name: result.state for name, result in results.items()}, {"first": "passed", "second": "passed"})
        self.assertEqual(self.listener.order, ["step:first", "step:second"])

    def test_what_needs_a_failed_job_is_not_run_and_says_why(self):
        results = self.run_jobs([shell("bad", "exit 3"), shell("after", "true", needs=["step:bad"]), shell("later", "true", needs=["step:after"]), shell("other", "true")])
        self.assertEqual(results["bad"].why, "exit status 3")
        self.assertEqual((results["after"].state, results["after"].why), ("not run", "step:bad failed"))
        self.assertEqual(results["later"].state, "not run")
        self.assertEqual(results["other"].state, "passed")

    def test_a_need_that_is_not_there_or_a_circle_ends_the_run(self):
        results = self.run_jobs([shell("lost", "true", needs=["nowhere"]), shell("one", "true", needs=["step:two"]), shell("two", "true", needs=["step:one"])])
        self.assertEqual({result.state for result in results.values()}, {"not run", "failed"})

    def test_cores_memory_and_locks_limit_what_runs_at_once(self):
        self.run_jobs([shell(str(number), "sleep 0.05") for number in range(6)], cores=2)
        self.assertEqual(self.listener.most, 2)
        self.listener = Listener()
        self.run_jobs([shell(f"m{number}", "sleep 0.05", memory_mb=600, cores=0.1) for number in range(3)])
        self.assertEqual(self.listener.most, 1)
        self.listener = Listener()
        self.run_jobs([shell(f"l{number}", "sleep 0.05", locks=frozenset({"one"}), cores=0.1) for number in range(3)])
        self.assertEqual(self.listener.most, 1)

    def test_what_waits_and_what_computes_have_shares_of_their_own(self):
        meet = "touch $0; until [ -e %s ]; do sleep 0.01; done"
        compute = Job("step", "compute", ["sh", "-c", meet % "wait", "compute"], cores=2, folder=self.folder, limit_s=30)
        wait = Job("step", "wait", ["sh", "-c", meet % "compute", "wait"], cores=0.75, folder=self.folder, limit_s=30)
        results = self.run_jobs([compute, wait, shell("other", "true", cores=0.75)], cores=2)
        self.assertEqual({result.state for result in results.values()}, {"passed"})

    def test_small_jobs_do_not_keep_a_large_one_from_starting(self):
        first = [shell(f"first{number}", f"sleep 0.{number + 1}", limit_s=900) for number in range(2)]
        small = [shell(f"small{number}", "sleep 0.05", limit_s=30) for number in range(4)]
        self.run_jobs([*first, *small, shell("large", "true", cores=2, limit_s=600)])
        self.assertEqual(self.listener.order[:3], ["step:first0", "step:first1", "step:large"])

    def test_what_must_be_alone_is(self):
        jobs = [shell(str(number), "touch busy; sleep 0.05; rm -f busy", folder=self.folder, locks=frozenset({"busy"})) for number in range(2)]
        results = self.run_jobs([shell("alone", "test ! -e busy", alone="it measures", folder=self.folder), *jobs])
        self.assertEqual(results["alone"].state, "passed")
        self.assertEqual(self.listener.order[-1], "step:alone")

    def test_the_longest_chain_goes_first(self):
        jobs = [shell("long", "true", limit_s=300), shell("first", "true", limit_s=30), shell("last", "true", limit_s=900, needs=["step:first"])]
        self.run_jobs(jobs, cores=1)
        self.assertEqual(self.listener.order, ["step:first", "step:last", "step:long"])

    def test_a_job_larger_than_the_computer_runs_all_the_same(self):
        self.assertEqual(self.run_jobs([shell("large", "true", cores=64, memory_mb=10**6)])["large"].state, "passed")

    def test_one_that_takes_too_long_ends_with_its_children(self):
        results = self.run_jobs([shell("long", "sleep 600 & echo $! >child; wait", limit_s=0.3, folder=self.folder)])
        self.assertEqual(results["long"].state, "timed out")
        child = int((self.folder / "child").read_text())
        deadline = time.monotonic() + 10
        while Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_one_whose_tests_go_on_takes_as_long_as_it_takes(self):
        ended = self.folder / "ended"
        goes_on = shell("goes-on", f"for n in 1 2 3 4 5 6 7 8; do sleep 0.25; echo $n >>{ended}; done", limit_s=1.5, progress=ended)
        hangs = shell("hangs", "sleep 600", limit_s=0.3, progress=self.folder / "none")
        results = self.run_jobs([goes_on, hangs])
        self.assertEqual((results["goes-on"].state, results["hangs"].state), ("passed", "timed out"))
        self.assertEqual(results["hangs"].why, "0 s without the end of a test")

    def test_jobs_that_come_of_a_job_run_too(self):
        results = self.run_jobs([shell("compile", "echo found", then=lambda log: [shell(log.read_text().strip(), "true")])])
        self.assertEqual(results["found"].state, "passed")

    def test_a_fault_of_the_runner_fails_the_job_and_no_other(self):
        def broken(log):
            raise RuntimeError("broken")

        results = self.run_jobs([shell("broken", "true", then=broken), shell("other", "true")])
        self.assertIn("broken", results["broken"].why)
        self.assertEqual((results["broken"].state, results["other"].state), ("failed", "passed"))

    def test_a_stopped_run_ends_what_runs(self):
        scheduler = Scheduler(self.folder, self.listener, {}, 1, 1000)
        scheduler.add([shell("long", "sleep 600"), shell("next", "true")])
        threading.Timer(0.2, scheduler.stop).start()
        states = {result.job.name: result.state for result in scheduler.run()}
        self.assertEqual(states, {"long": "failed", "next": "not run"})

    def test_cpu_seconds_are_those_of_the_command(self):
        script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
        results = self.run_jobs([shell("busy", script), shell("idle", "sleep 0.3")])
        self.assertGreater(results["busy"].cpu_s, 0.01)
        self.assertLess(results["idle"].cpu_s, results["idle"].wall_s)

    def test_two_jobs_of_one_name_are_refused(self):
        with self.assertRaisesRegex(ValueError, "two jobs are called step:same"):
            self.run_jobs([shell("same", "true"), shell("same", "true")])


class InnerTest(unittest.TestCase):
    def test_unittest_writes_down_its_tests(self):
        with tempfile.TemporaryDirectory() as folder:
            script, times = Path(folder, "test_it.py"), Path(folder, "times")
            script.write_text(
                "import time, unittest\nclass T(unittest.TestCase):\n"
                " def test_good(self):\n  until = time.process_time() + 0.6\n  while time.process_time() < until: pass\n"
                " def test_bad(self): self.fail()\nunittest.main()\n"
            )
            job = Job("step", "inner", [sys.executable, str(Path(__file__).with_name("timed.py")), str(script)], inner=lambda _: inner.read(times), environment={inner.VARIABLE: str(times)})
            scheduler = Scheduler(Path(folder), Listener(), {}, 2, 1000)
            scheduler.add([job])
            (result,) = scheduler.run()
        self.assertEqual(result.state, "failed")
        tests = {test.name.rsplit(".", 1)[1]: test for test in result.inner}
        self.assertEqual({name: test.passed for name, test in tests.items()}, {"test_good": True, "test_bad": False})
        self.assertGreater(tests["test_good"].cpu_s, 0.2)

    def test_damaged_lines_are_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "times")
            path.write_text('{"name": "a", "started": 1, "ended": 2, "passed": true}\n{"name": "b", "sta')
            self.assertEqual([test.name for test in inner.read(path)], ["a"])
            self.assertEqual(inner.read(Path(folder, "missing")), [])


class RustTest(unittest.TestCase):
    def test_test_programs_are_read_from_cargos_messages(self):
        artifact = {
            "reason": "compiler-artifact", "package_id": "path+file:///p/crates/cli#0.1.0", "manifest_path": "/p/crates/cli/Cargo.toml",
            "target": {"name": "usage"}, "profile": {"test": True}, "executable": "/t/usage-1",
        }
        root = artifact | {"package_id": "path+file:///p#vivarium-desktop@0.1.0", "manifest_path": "/p/Cargo.toml", "executable": "/t/d"}
        binary = artifact | {"profile": {"test": False}}
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log")
            log.write_text("\n".join(["   Compiling cli", "{not json", *map(json.dumps, [artifact, root, binary, {"reason": "build-finished"}])]))
            found = rust.programs(log)
        self.assertEqual([(program.package, program.target) for program in found], [("cli", "usage"), ("vivarium-desktop", "usage")])

    def test_a_job_for_each_test_and_none_for_ignored_ones(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program")
            program.write_text('#!/bin/sh\ncase "$*" in *--ignored*) echo "b: test";; *) printf "a: test\\nb: test\\nc: bench\\n";; esac\n')
            program.chmod(0o755)
            jobs = rust.tests(rust.Program("crate", "lib", program, Path(folder)), rust.Traits("crates"), lambda name: "")
        self.assertEqual([job.id for job in jobs], ["crates:crate/lib::a"])
        self.assertEqual(jobs[0].repeat, "./scripts/test.sh --only 'crates:crate/lib::a'")


class PlanTest(unittest.TestCase):
    def setUp(self):
        self.project = plan.Project(Path(__file__).resolve().parents[2], Path("/tmp/logs"), "vtest")
        self.jobs = plan.jobs(self.project)

    def test_every_need_is_a_job_or_a_step(self):
        known = {job.id for job in self.jobs} | {job.step for job in self.jobs}
        self.assertEqual([need for job in self.jobs for need in job.needs if need not in known], [])

    def test_only_one_step_brings_what_it_needs(self):
        chosen = {job.id for job in plan.with_needs(self.jobs, ["openapi"])}
        self.assertLessEqual({"openapi", "image", "static", "binaries", "compile", "ui:build", "base"}, chosen)
        self.assertNotIn("clippy", chosen)
        self.assertNotIn("compile-supervisor", chosen)
        supervisor = {job.id for job in plan.with_needs(self.jobs, ["supervisor"])}
        self.assertEqual(supervisor, {"compile-supervisor"})

    def test_a_part_of_a_step_is_chosen_by_its_name(self):
        job = Job("headless", "e2e/headless::so_does_a_locked_one")
        self.assertTrue(plan.wanted(job, ["headless:locked"]))
        self.assertFalse(plan.wanted(job, ["headless:floods"]))
        self.assertFalse(plan.wanted(job, ["window"]))

    def test_fast_needs_no_engine_and_everything_else_does(self):
        self.assertFalse(plan.needs_engine(True, []))
        self.assertTrue(plan.needs_engine(False, []))
        self.assertFalse(plan.needs_engine(False, ["clippy"]))
        fast = plan.jobs(plan.Project(self.project.root, self.project.logs, "vtest", fast=True))
        self.assertEqual({job.step for job in fast} & plan.WITH_ENGINE, set())


class ReportTest(unittest.TestCase):
    def test_a_failure_shows_the_end_of_its_log_and_how_to_repeat_it(self):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log")
            log.write_text('{"reason":"x"}\n' + "\n".join(f"line {number}" for number in range(100)))
            output = io.StringIO()
            reporter = report.Reporter(Path(folder), {}, output)
            reporter.ended(Result(Job("step", "job", repeat="repeat me"), "failed", log=log, why="exit status 1"))
        text = output.getvalue()
        self.assertIn("line 99", text)
        self.assertNotIn("line 9\n", text)
        self.assertIn(f"Whole log: {log}", text)
        self.assertIn("repeat me", text)

    def test_the_tables_are_printed_and_written(self):
        job = Job("step", "test", is_test=True)
        passed = Result(job, "passed", started=100.0, wall_s=2.5, cpu_s=1.5)
        other = Result(Job("step", "other", is_test=True), "failed", started=101.0, wall_s=4.0, cpu_s=0.5)
        with tempfile.TemporaryDirectory() as folder:
            path, output = Path(folder, "times.json"), io.StringIO()
            report.summary([passed, other], 5.0, 1.0, path, output)
            data = json.loads(path.read_text())
        self.assertEqual(data["steps"][0], {"name": "step", "tests": 2, "failed": 1, "cpu_s": 2.0, "busy_s": 6.5, "wall_s": 5.0})
        self.assertEqual([test["name"] for test in data["tests"]], ["step:other", "step:test"])
        self.assertIn("The 2 slowest tests", output.getvalue())


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[2])
    unittest.main()
