"""How a cell ends that says so itself: `sys.exit()`, `exit`, `quit`."""

from worker import WorkerCase


class Exit(WorkerCase):
    def test_none_and_zero_end_the_cell_well(self):
        for code in ("import sys; sys.exit()", "sys.exit(0)", "exit", "quit()", "exit(0)", "raise SystemExit(None)",
                     "get_ipython().ask_exit()", "exit(keep_kernel=True)", "sys.exit(False)"):
            done, outputs = self.client.execute(code)
            self.assertEqual(("completed", None, 0, []), (done["status"], done["error"], done["exit_code"], outputs), code)
        self.assertIsNone(self.client.execute("1")[0]["exit_code"])

    def test_anything_else_is_a_failure_with_its_text(self):
        self.client.execute("import sys")
        for code, text, number in (("sys.exit('why')", "why", 1), ("exit(3)", "3", 3), ("quit('no')", "no", 1),
                                   ("sys.exit(256)", "256", 1), ("sys.exit(-1)", "-1", 255), ("sys.exit([])", "[]", 1),
                                   ("sys.exit(True)", "True", 1), ("await __import__('asyncio').sleep(0); sys.exit(4)", "4", 4),
                                   ("class E(SystemExit): pass\nraise E(5)", "5", 5)):
            done, outputs = self.client.execute(code)
            self.assertEqual(("failed", number, text), (done["status"], done["exit_code"], done["error"]["message"]), code)
            self.assertEqual(["error"], [one["output_type"] for one in outputs])
            self.assertEqual(text, outputs[0]["evalue"])
            self.assertEqual(done["error"]["type"], outputs[0]["ename"])
            self.assertEqual(1, len(outputs[0]["traceback"]))
        self.assertEqual("completed", self.client.execute("1")[0]["status"])
