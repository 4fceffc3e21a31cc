"""Programs that cells run: `!command`, `%pip`, script magics; what ends them, where their text goes."""

import os
import time

from worker import DEADLINE_S, WorkerCase


class Commands(WorkerCase):
    def interrupted(self, code):
        """Interrupts a cell once it prints; what it printed."""
        self.client.send(type="execute", execution_id="e", code=code)
        seen = self.client.until("event")
        self.client.send(type="interrupt")
        seen += self.client.until("done")
        self.assertEqual("interrupted", seen[-1]["status"], seen[-1]["error"])
        return seen

    def ended(self, group):
        """Waits until no process of the group runs."""
        deadline = time.monotonic() + DEADLINE_S
        while any(self.is_of(name, group) for name in os.listdir("/proc") if name.isdigit()):
            self.assertLess(time.monotonic(), deadline)
            os.sched_yield()

    def is_of(self, pid, group):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                state, _, of = file.read().rpartition(b")")[2].split()[:3]
        except OSError:
            return False
        return int(of) == group and state not in b"ZX"

    def test_an_interrupt_ends_a_script_with_all_that_it_started(self):
        for magic in ("bash", "script bash", "sh", "bash --no-raise-error", "bash --err kept"):
            seen = self.interrupted(f"%%{magic}\necho $$ up\n(sleep 600; echo late) | cat\necho later\n")
            printed = self.text([one["output"] for one in seen if one["type"] == "event"])
            group = int(printed.split()[0])
            self.assertNotIn("later", printed)
            self.ended(group)

    def test_an_interrupt_ends_a_captured_one(self):
        mark = os.path.join(self.folder, "mark")
        os.mkfifo(mark)
        self.client.send(type="execute", execution_id="e", code=f"%%capture kept\n!echo early; echo up >{mark}; sleep 600")
        with open(mark, encoding="utf-8") as told:
            self.assertEqual("up\n", told.read())
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])
        self.assertEqual("completed", self.client.execute("1")[0]["status"])

    def test_a_script_prints_in_order_with_its_cells_neighbours(self):
        _, outputs = self.client.execute("%%bash\necho one\necho two >&2\nread line\nthis is read\necho \"got $line\"")
        self.assertEqual("one\ngot this is read\n", self.text(outputs))
        self.assertEqual("two\n", self.text(outputs, "stderr"))
        self.assertEqual([], self.client.execute("pass")[1])

    def test_a_script_that_fails_fails_the_cell_and_says_how(self):
        done, _ = self.client.execute("%%bash\nexit 3")
        self.assertEqual(("failed", "CalledProcessError"), (done["status"], done["error"]["type"]))
        self.assertIn("exit status 3", done["error"]["message"])
        self.assertEqual("completed", self.client.execute("%%bash --no-raise-error\nexit 3")[0]["status"])
        done, outputs = self.client.execute("%%script no-such-program\n1")
        self.assertEqual(("completed", "Couldn't find program: 'no-such-program'\n"), (done["status"], self.text(outputs)))
        self.assertEqual("ValueError", self.client.execute("%%script\n1")[0]["error"]["type"])

    def test_what_is_captured_is_not_shown(self):
        for code in ("!echo a; echo b >&2", "%%bash\necho a; echo b >&2", "get_ipython().system('echo a; echo b >&2')"):
            _, outputs = self.client.execute(f"%%capture kept\n{code}")
            self.assertEqual([], outputs)
            self.assertEqual("('a\\n', 'b\\n')", self.client.execute("kept.stdout, kept.stderr")[0]["result"])
        _, outputs = self.client.execute("%%capture kept\n%pip --version")
        self.assertEqual([], outputs)
        self.assertIn("pip ", self.client.execute("kept.stdout")[0]["result"])
        _, outputs = self.client.execute("%%capture --no-stderr kept\n!echo a; echo b >&2")
        self.assertEqual(("", "b\n"), (self.text(outputs), self.text(outputs, "stderr")))
        _, outputs = self.client.execute("import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as kept:\n    !printf 'x%.0s' $(seq 300000)")
        self.assertEqual([], outputs)
        self.assertEqual("300000", self.client.execute("len(kept.getvalue())")[0]["result"])
        self.assertEqual([], self.client.execute("%%bash --out one --err two\necho c\n")[1])
        self.assertEqual("('c\\n', '')", self.client.execute("one, two")[0]["result"])

    def test_what_a_captured_command_left_running_holds_nothing_up(self):
        done, _ = self.client.execute("%%capture kept\n!(sleep 600 & echo $!)")
        self.assertEqual("completed", done["status"])
        self.client.execute("import os, signal\nos.kill(int(kept.stdout), signal.SIGKILL)")
