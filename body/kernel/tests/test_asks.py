"""What a client asks beside cells, and what a cell asks its client."""

import os

from worker import WorkerCase


class Inputs(WorkerCase):
    def request(self, code):
        self.client.send(type="execute", execution_id="e", code=code)
        return self.client.until("input_request")[-1]

    def test_input_is_answered(self):
        request = self.request("import getpass\nname = input('who? ')\nprint('hello', name)\ngetpass.getpass()")
        self.assertEqual(("who? ", False), (request["prompt"], request["password"]))
        self.client.send(type="input", number=request["number"], value="Ada")
        request = self.client.until("input_request")[-1]
        self.assertTrue(request["password"])
        self.client.send(type="input", number=request["number"], value="secret")
        self.assertEqual("'secret'", self.client.until("done")[-1]["result"])

    def test_without_a_client_that_answers_it_fails(self):
        request = self.request("input()")
        self.client.send(type="input", number=request["number"], value=None)
        done = self.client.until("done")[-1]
        self.assertEqual(("failed", "StdinNotImplementedError"), (done["status"], done["error"]["type"]))

    def test_an_interrupted_input_is_over_and_its_late_answer_is_no_other_ones(self):
        first = self.request("input('one')")
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])
        self.client.send(type="input", number=first["number"], value="late")
        second = self.request("input('two')")
        self.client.send(type="input", number=second["number"], value="right")
        self.assertEqual("'right'", self.client.until("done")[-1]["result"])

    def test_whoever_comes_next_hears_of_an_open_question(self):
        request = self.request("input('who?')")
        self.client.close()
        again = self.connect()
        again.send(type="hello", after=0)
        seen = again.until("input_request")
        self.assertEqual("input('who?')", next(one for one in seen if one["type"] == "started")["request"]["code"])
        again.send(type="input", number=request["number"], value="x")
        self.assertEqual("'x'", again.until("done")[-1]["result"])


class Questions(WorkerCase):
    def test_completions_come_also_where_jedi_fails(self):
        self.client.execute("import jedi, os\ndef fail(*rest, **more): raise RecursionError('jedi')\njedi.Interpreter.complete = fail")
        found = self.client.ask("complete", code="os.getp", cursor_pos=7)
        self.assertIn("getpid", str(found["matches"]))

    def test_completions_come_while_a_cell_runs(self):
        self.client.execute("import os\nfruit = {'apple': 1}")
        self.client.send(type="execute", execution_id="e", code="print('up')\nimport time\ntime.sleep(60)")
        self.client.until("event")
        found = self.client.ask("complete", code="x = os.getp", cursor_pos=11)
        self.assertIn("getpid", [match["text"] for match in found["matches"]])
        self.assertEqual((7, 11), (found["cursor_start"], found["cursor_end"]))
        found = self.client.ask("complete", code="fruit['", cursor_pos=7)
        self.assertIn("apple", found["matches"][0]["text"])
        self.assertEqual([], self.client.ask("complete", code="nothing_like_it", cursor_pos=15)["matches"])
        self.assertEqual({"matches": [], "cursor_start": 0, "cursor_end": 0},
                         self.client.ask("complete", code="#", cursor_pos=0) | {"matches": []})
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])

    def test_a_cursor_beyond_the_source_is_at_its_end(self):
        self.assertEqual("print", self.client.ask("inspect", code="print", cursor_pos=99)["name"])
        self.assertIn("print", str(self.client.ask("complete", code="prin", cursor_pos=2 ** 64 - 1)["matches"]))

    def test_inspection(self):
        self.client.execute("def area(side):\n    'Of a square.'\n    return side ** 2")
        found = self.client.ask("inspect", code="area(2)", cursor_pos=3)
        self.assertTrue(found["found"])
        self.assertIn("Of a square.", found["data"]["text/plain"])
        self.assertFalse(self.client.ask("inspect", code="nothing_like_it", cursor_pos=3)["found"])
        self.assertFalse(self.client.ask("inspect", code="", cursor_pos=0)["found"])

    def test_variables(self):
        self.client.execute("import numpy\nclass Odd:\n    def __repr__(self): raise ValueError\n"
                            "a = numpy.zeros((100, 10)); b = 'x' * 10**6; c = Odd(); _hidden = 1\ndef f(x, y=2): pass")
        listed = {one["name"]: one for one in self.client.ask("variables")["variables"]}
        self.assertEqual({"numpy", "Odd", "a", "b", "c", "f"}, set(listed))
        self.assertEqual(("numpy.ndarray", 8000, "ndarray 100×10 float64"),
                         (listed["a"]["type"], listed["a"]["size_bytes"], listed["a"]["repr"]))
        self.assertLess(len(listed["b"]["repr"]), 250)
        self.assertIn("Odd instance", listed["c"]["repr"])
        self.assertEqual("f(x, y=2)", listed["f"]["repr"])

    def test_no_value_ends_or_holds_up_the_answers(self):
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        self.client.execute("class Exits:\n    def __repr__(self): raise SystemExit\n"
                            "class Below:\n    nbytes = -5\nclass Above:\n    nbytes = 2 ** 63\n"
                            "class Keys:\n    def _ipython_key_completions_(self): raise SystemExit\n"
                            "class Shown:\n    def __getattr__(self, name): raise SystemExit\n"
                            "exits = Exits(); below = Below(); above = Above(); keys = Keys(); shown = Shown()")
        listed = {one["name"]: one for one in self.client.ask("variables")["variables"]}
        self.assertIn("SystemExit", listed["exits"]["repr"])
        self.assertEqual((None, None), (listed["below"]["size_bytes"], listed["above"]["size_bytes"]))
        for _ in range(2):
            self.client.ask("complete", code="keys['", cursor_pos=6)
            self.client.ask("inspect", code="shown", cursor_pos=5)
        # One that does not end until somebody writes.
        self.client.execute(f"class Waits:\n    def __repr__(self): return open({fifo!r}).read()\nwaits = Waits()")
        self.client.send(type="ask", ask=1, what="variables")
        self.assertTrue(self.client.ask("inspect", code="print", cursor_pos=3)["found"])
        with open(fifo, "w", encoding="utf-8") as file:
            file.write("written")
        answer = self.client.until("answer")[-1]
        self.assertEqual(1, answer["ask"])
        self.assertIn("written", [one["repr"] for one in answer["value"]["variables"]])

    def test_odd_names_and_what_takes_the_place_of_ours(self):
        self.client.execute("globals()[5] = 1; open = 1; exit = 2")
        listed = self.client.ask("variables")
        self.assertEqual((["exit", "open"], 2), ([one["name"] for one in listed["variables"]], listed["count"]))
        self.assertEqual(2, self.client.ask("status")["globals_count"])

    def test_unknown_questions_get_an_error(self):
        self.assertIn("unknown", self.client.ask("nonsense"))
        self.assertIn("TypeError", self.client.ask("complete", wrong=1))


class Displays(WorkerCase):
    def test_updates_and_clearing_are_told(self):
        _, outputs = self.client.execute(
            "h = display(1, display_id='one')\nh.update(2)\nimport IPython.display as d\nd.clear_output(wait=True)")
        self.assertEqual(["display_data", "update_display_data"], [one["output_type"] for one in outputs])
        self.assertEqual([{"display_id": "one"}] * 2, [one["transient"] for one in outputs])

    def test_top_level_await(self):
        done, outputs = self.client.execute("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 7\n"
                                            "print('a')\nawait f()")
        self.assertEqual(("completed", "7"), (done["status"], done["result"]))
        self.client.send(type="execute", execution_id="e", code="print('up')\nawait asyncio.sleep(60)")
        self.client.until("event")
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])
        self.assertEqual("8", self.client.execute("await asyncio.sleep(0, 8)")[0]["result"])
