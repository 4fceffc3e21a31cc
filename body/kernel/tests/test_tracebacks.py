"""What a person reads of an error, and of values that can't be shown."""

from worker import WorkerCase


class Tracebacks(WorkerCase):
    def test_they_have_none_of_our_own_frames(self):
        for code in ("runtime.shell.env('A B', 'x')", "%%bash\nexit 3", "runtime.shell.run([])",
                     "def f():\n    try: runtime.shell.cd('/none')\n    except Exception as error: raise KeyError('k') from error\nf()",
                     "await __import__('asyncio').sleep(0); runtime.shell.cd('/none')", "1/0"):
            done, outputs = self.client.execute(code)
            self.assertEqual("failed", done["status"], code)
            for text in ("\n".join(outputs[-1]["traceback"]), done["error"]["traceback"]):
                self.assertNotIn("vivarium_kernel", text, code)
                self.assertIn("Error", text)
        _, outputs = self.client.execute("def g(): return 1/0\ng()")
        text = "".join(outputs[-1]["traceback"])
        # What the user wrote is there, each frame of it.
        self.assertEqual(2, text.count("Cell"))

    def test_completions_say_nothing_of_what_is_not_known(self):
        self.client.execute("import numpy\nvalues = {'key': 1}")
        for code in ("val", "values['k", "numpy.ar", "%tim", "pri"):
            found = self.client.ask("complete", code=code, cursor_pos=len(code))
            self.assertTrue(found["matches"], code)
            self.assertNotIn("<unknown>", str(found))

    def test_a_value_that_cannot_be_shown_leaves_the_kernel_well(self):
        self.client.execute("class Broken:\n    def __repr__(self): raise ValueError('no repr')")
        done, outputs = self.client.execute("Broken()")
        self.assertEqual(1, sum(one["output_type"] == "error" for one in outputs))
        self.assertIn("no repr", str(outputs))
        self.assertNotIn("vivarium_kernel", str(outputs))
        self.assertEqual("2", self.client.execute("1+1")[0]["result"])
        self.client.execute("class Worse(Exception):\n    def __str__(self): raise ValueError(3)\n    __repr__ = __str__")
        done, outputs = self.client.execute("raise Worse()")
        self.assertEqual(("failed", "Worse"), (done["status"], done["error"]["type"]))
        self.assertEqual(["Worse"], [one["ename"] for one in outputs if one["output_type"] == "error"])
        self.client.execute("broken = Broken()")
        self.assertIn("Broken instance", str(self.client.ask("variables")))
