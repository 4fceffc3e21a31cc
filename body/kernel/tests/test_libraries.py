"""What libraries ask of a notebook's kernel, and find here."""

import os

from worker import WorkerCase


class Libraries(WorkerCase):
    def value(self, code):
        done, _ = self.client.execute(code)
        self.assertEqual("completed", done["status"], done["error"])
        return done["result"]

    def test_a_notebook_is_told_from_a_terminal(self):
        self.assertEqual("'ZMQInteractiveShell'", self.value("get_ipython().__class__.__name__"))
        self.assertEqual("True", self.value("get_ipython().has_trait('kernel')"))
        self.assertEqual("True", self.value("import pandas.io.formats.console as c\nc.in_ipython_frontend()"))
        self.assertEqual("'python'", self.value("get_ipython().kernel.language_info['name']"))
        self.assertEqual("True", self.value("import nbformat\nint(nbformat.__version__.split('.')[0]) >= 5"))

    def test_an_output_widget_knows_whose_cell_runs(self):
        self.value("import ipywidgets as w\nout = w.Output()")
        self.client.send(type="execute", execution_id="mine", code="with out:\n    print('inside', out.msg_id)\nprint('after', repr(out.msg_id))")
        seen = self.client.until("done")
        self.assertEqual("completed", seen[-1]["status"], seen[-1]["error"])
        text = self.text([one["output"] for one in seen if one["type"] == "event"])
        self.assertEqual("inside mine\nafter ''\n", text)
        done, outputs = self.client.execute("with out:\n    1/0\nprint('on')")
        self.assertEqual(("completed", "on\n"), (done["status"], self.text(outputs)))
        self.assertIn("error", [one["output_type"] for one in outputs])
        done, outputs = self.client.execute("w.interact(lambda n: print('n is', n), n=3);")
        self.assertEqual("completed", done["status"], done["error"])
        self.assertIn("n is 3", self.text(outputs))

    def test_the_package_ipykernel_is_there_as_far_as_cells_use_it(self):
        self.assertEqual("True", self.value("import ipykernel\nipykernel.version_info >= (6, 18)"))
        self.assertEqual("True", self.value("from ipykernel.zmqshell import ZMQInteractiveShell\nisinstance(get_ipython(), ZMQInteractiveShell)"))
        self.assertEqual("True", self.value("from ipykernel.kernelapp import IPKernelApp\nIPKernelApp.initialized() and IPKernelApp.instance() is get_ipython().kernel"))
        self.client.send(type="execute", execution_id="e", code="from ipykernel.comm import Comm\nc = Comm('a target', data={'a': 1})")
        told = [one["message"] for one in self.client.until("done") if one["type"] == "comm"]
        self.assertEqual([("comm_open", "a target", {"a": 1})],
                         [(one["msg_type"], one["content"]["target_name"], one["content"]["data"]) for one in told])
        self.assertEqual("ModuleNotFoundError", self.client.execute("import ipykernel.later")[0]["error"]["type"])
        self.client.send(type="execute", execution_id="e", code="%matplotlib notebook\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
        seen = self.client.until("done")
        self.assertEqual("completed", seen[-1]["status"], seen[-1]["error"])
        self.assertIn("matplotlib", [one["message"]["content"].get("target_name") for one in seen if one["type"] == "comm"])

    def test_packages_are_found_in_a_home_that_had_none(self):
        home = os.path.join(self.folder, "site")
        self.value(f"import site\nsite.ENABLE_USER_SITE, site.USER_SITE = True, {home!r}")
        self.assertEqual("1", self.value(f"!mkdir -p {home}; echo 'n = 1' >{home}/installed_here.py\nimport installed_here\ninstalled_here.n"))
        self.assertEqual("2", self.value(f"!echo 'n = 2' >{home}/installed_too.py\nimport installed_too\ninstalled_too.n"))
        self.assertEqual("True", self.value(f"import sys\nown = [n for n, path in enumerate(sys.path) if path.startswith(sys.prefix)]\n"
                                            f"sys.path.index({home!r}) == own[-1] + 1"))


class Asyncio(WorkerCase):
    START = "import asyncio\nasync def count():\n    for n in range(3):\n        await asyncio.sleep(0)\n        print('step', n)\n    return 7\n"

    def printed_after(self, seen, text):
        """Reads on until that was printed."""
        printed = "".join(one["output"]["text"] for one in seen if one["type"] == "event")
        while text not in printed:
            printed += self.client.until("event")[-1]["output"]["text"]

    def test_a_task_of_a_plain_cell_goes_on_between_cells(self):
        for way in ("asyncio.create_task(count())", "asyncio.ensure_future(count())", "asyncio.gather(count())",
                    "asyncio.get_event_loop().create_task(count())"):
            code = f"{self.START}task = {way}\nprint('started')"
            self.client.send(type="execute", execution_id="e", code=code)
            seen = self.client.until("done")
            self.assertEqual("completed", seen[-1]["status"], (way, seen[-1]["error"]))
            # Without a further cell.
            self.printed_after(seen, "step 2\n")
            self.assertIn("7", self.client.execute("await task")[0]["result"])

    def test_asyncio_run_goes_on_working(self):
        self.client.execute(f"{self.START}task = asyncio.create_task(asyncio.sleep(600))")
        for code in ("asyncio.run(count())", "count_now = lambda: asyncio.run(count())\ncount_now()",
                     "loop = asyncio.new_event_loop()\nloop.run_until_complete(count())",
                     "asyncio.get_event_loop().run_until_complete(count())",
                     "with asyncio.Runner() as runner: print(runner.run(count()))\n7", "await count()"):
            done, outputs = self.client.execute(code)
            self.assertEqual(("completed", "7"), (done["status"], done["result"]), (code, done["error"]))
            self.assertIn("step 2", self.text(outputs))
        self.assertEqual("False", self.client.execute("task.done()")[0]["result"])

    def test_cells_interrupts_and_clients_are_heard_beside_tasks(self):
        self.client.execute("import asyncio\nasync def forever():\n    while True: await asyncio.sleep(0.001)\ntask = asyncio.create_task(forever())")
        self.assertEqual("2", self.client.execute("1+1")[0]["result"])
        self.assertFalse(self.client.ask("status")["busy"])
        self.client.send(type="interrupt")
        self.client.send(type="execute", execution_id="e", code="print('on')\nimport time\ntime.sleep(600)")
        self.client.until("event")
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])
        self.client.close()
        self.client = self.connect()
        self.assertEqual("False", self.client.execute("task.done()")[0]["result"])

    def test_an_interrupt_ends_a_task_that_lets_nothing_else_run(self):
        self.client.send(type="execute", execution_id="e", code=(
            "import asyncio\nasync def stuck():\n    print('stuck', flush=True)\n    while True: pass\ntask = asyncio.create_task(stuck())"))
        seen = self.client.until("done")
        self.printed_after(seen, "stuck\n")
        self.client.send(type="interrupt")
        self.assertEqual("2", self.client.execute("1+1")[0]["result"])

    def test_a_loop_that_was_closed_or_stopped_holds_nothing_up(self):
        self.client.execute("import asyncio\nloop = asyncio.get_event_loop()\nloop.call_soon(loop.stop)")
        self.assertEqual("1", self.client.execute("1")[0]["result"])
        self.client.execute("loop.close()")
        self.assertEqual("1", self.client.execute("await asyncio.sleep(0)\n1")[0]["result"])
