"""The worker: cells, streams, interrupts, clients that come back."""

import json
import os
import signal
import stat
import struct

from worker import DEADLINE_S, WorkerCase


class Worker(WorkerCase):
    def test_result_and_count(self):
        done, outputs = self.client.execute("1+1")
        self.assertEqual(("completed", "2", 1), (done["status"], done["result"], done["execution_count"]))
        self.assertEqual("execute_result", outputs[0]["output_type"])
        self.assertIsNone(self.client.execute("3", silent=True)[0]["result"])

    def test_plain_values_look_as_ever_and_registered_formatters_win(self):
        for code, text in (("True", "True"), ("1e30", "1e+30"), ("'a\\n'", "'a\\n'"), ("b'x'", "b'x'"), ("2j", "2j")):
            done, outputs = self.client.execute(code)
            self.assertEqual((text, {"text/plain": text}), (done["result"], outputs[0]["data"]))
        self.client.execute("formatters = get_ipython().display_formatter.formatters\n"
                            "formatters['text/html'].for_type(int, lambda n: f'<b>{n}</b>')\n"
                            "formatters['text/plain'].for_type(str, lambda s, p, cycle: p.text('mine'))")
        for code in ("5", "True"):
            self.assertEqual(f"<b>{code}</b>", self.client.execute(code)[1][0]["data"]["text/html"])
        self.assertEqual("mine", self.client.execute("'s'")[0]["result"])
        self.client.execute("%precision 2")
        self.assertEqual("3.14", self.client.execute("3.14159")[0]["result"])

    def test_streams_keep_their_order_with_children(self):
        _, outputs = self.client.execute("import os\nprint('a')\nos.system('echo b')\nprint('c')\n!echo d\nprint('e')")
        self.assertEqual("a\nb\nc\nd\ne\n", self.text(outputs))

    def test_stdout_and_stderr_alternate(self):
        _, outputs = self.client.execute("import sys\nfor n in range(3):\n print(n); print(n, file=sys.stderr)")
        self.assertEqual(["stdout", "stderr"] * 3, [item["name"] for item in outputs])

    def test_output_streams_while_the_cell_runs(self):
        self.client.send(type="execute", execution_id="e", code="print('now')\nimport time\ntime.sleep(60)")
        self.assertEqual("now\n", self.client.until("event")[-1]["output"]["text"])
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])

    def test_interrupt_of_an_idle_kernel_changes_nothing(self):
        self.client.send(type="interrupt")
        self.assertEqual("completed", self.client.execute("1")[0]["status"])

    def test_interrupt_right_behind_its_cell_is_not_lost(self):
        frames = b""
        for message in ({"type": "execute", "execution_id": "e", "code": "import time\\ntime.sleep(60)"},
                        {"type": "interrupt"}):
            body = json.dumps(message).encode()
            frames += struct.pack(">I", len(body)) + body
        self.client.socket.sendall(frames)
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])

    def test_an_interrupt_at_a_cells_very_end_takes_nothing_from_the_next(self):
        # Where IPython has put Python's own way of showing values back, and not noted that it did.
        self.client.execute("""
trap = get_ipython().display_trap
def unset():
    type(trap).unset(trap)
    del trap.unset
    raise KeyboardInterrupt
trap.unset = unset""")
        for _ in range(2):
            done, outputs = self.client.execute("6 * 7")
            self.assertEqual(("completed", "42"), (done["status"], done["result"]))
            self.assertEqual(["execute_result"], [output["output_type"] for output in outputs])

    def test_a_forked_copy_of_a_cell_says_nothing(self):
        done, outputs = self.client.execute("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('once')\n7")
        self.assertEqual("7", done["result"])
        self.assertEqual(1, sum(item["output_type"] == "execute_result" for item in outputs))
        self.assertEqual("completed", self.client.execute("1")[0]["status"])

    def test_a_forked_copy_prints_right_after_its_original(self):
        # However quick the copy is.
        code = ("import os, vivarium_kernel.output\nvivarium_kernel.output.JOIN_S = 60\nfor _ in range(20):\n    print('a')\n    pid = os.fork()\n"
                "    if not pid:\n        print('b')\n        os._exit(0)\n    os.waitpid(pid, 0)")
        _, outputs = self.client.execute(code)
        text = "".join(item["text"] for item in outputs)
        # What joins for so long does not wait for the copy's lines to be whole.
        self.assertEqual((20, 20), (text.count("a"), text.count("b")))

    def test_a_forked_child_does_not_hide_the_end_of_the_worker(self):
        code = "import os, time\npid = os.fork()\nif not pid: time.sleep(600)\nprint(pid, flush=True); time.sleep(600)"
        self.client.send(type="execute", execution_id="e", code=code)
        child = int(self.client.until("event")[-1]["output"]["text"])
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.process.kill()
        self.assertEqual(b"", self.client.file.read())

    def test_interrupt_ends_a_child(self):
        self.client.send(type="execute", execution_id="e", code="!echo up; sleep 60")
        self.client.until("event")
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])

    def test_interrupt_ends_what_os_system_runs_and_nothing_of_earlier_cells(self):
        # Starts of processes are told in clock ticks: the next cell begins in another one.
        self.client.execute("import os, subprocess, time\nserver = subprocess.Popen(['sleep', '600'])\n"
                            "tick, now = 1 / os.sysconf('SC_CLK_TCK'), time.monotonic\nbegan = now()\n"
                            "while now() < began + 2 * tick: pass")
        self.addCleanup(self.client.execute, "server.kill(); server.wait()")
        for code in ("os.system('echo up; sleep 600; true')\nprint('on')",
                     "while True: os.system('echo up; exec sleep 600')"):
            self.client.send(type="execute", execution_id="e", code=code)
            self.client.until("event")
            self.client.send(type="interrupt")
            seen = self.client.until("done")
            self.assertEqual("interrupted", seen[-1]["status"])
            self.assertNotIn("on\n", self.text([one["output"] for one in seen if one["type"] == "event"]))
        self.assertEqual("True", self.client.execute("server.poll() is None")[0]["result"])

    def test_errors(self):
        done, outputs = self.client.execute("1/0")
        self.assertEqual(("failed", "ZeroDivisionError"), (done["status"], done["error"]["type"]))
        self.assertEqual("error", outputs[-1]["output_type"])
        self.assertEqual("SyntaxError", self.client.execute("a b")[0]["error"]["type"])

    def test_await_magics_plots_and_tables(self):
        self.assertEqual("5", self.client.execute("import asyncio\nawait asyncio.sleep(0)\n5")[0]["result"])
        self.assertEqual("hello\n", self.text(self.client.execute("%%bash\necho hello")[1]))
        _, outputs = self.client.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
        self.assertIn("image/png", outputs[-1]["data"])
        _, outputs = self.client.execute("import pandas\npandas.DataFrame({'a': [1]})")
        self.assertIn("text/html", outputs[-1]["data"])

    def test_reset_keeps_runtime(self):
        self.client.execute("x = 1")
        self.assertEqual(1, self.client.ask("status")["globals_count"])
        self.assertEqual({}, self.client.ask("reset"))
        self.assertEqual("(True, False)", self.client.execute("'runtime' in globals(), 'x' in globals()")[0]["result"])
        self.client.execute("y = 1")
        self.client.execute("%reset -f")
        self.assertEqual("(True, False)", self.client.execute("'runtime' in globals(), 'y' in globals()")[0]["result"])
        self.assertEqual(0, self.client.ask("status")["globals_count"])

    def test_what_comes_right_behind_a_jobs_answer_is_not_lost(self):
        # Whoever reads for the main thread changes at that moment.
        for _ in range(300):
            self.assertEqual({}, self.client.ask("reset"))
            self.assertEqual("1", self.client.execute("1")[0]["result"])

    def test_shell_context(self):
        self.client.send(type="shell_context", cwd=self.folder, env={"A": "b"})
        done, _ = self.client.execute("runtime.shell.run('pwd; echo $A; exit 3')")
        self.assertIn(os.path.realpath(self.folder), done["result"])
        self.assertIn("'returncode': 3", done["result"])
        self.client.send(type="execute", execution_id="e", code="runtime.shell.cd('/')")
        told = self.client.until("shell_context")[-1]
        self.assertEqual(("/", 1), (told["cwd"], told["changes"]))
        self.client.until("done")
        # A context from before that change is out of date; one from after it is not.
        self.client.send(type="shell_context", cwd=self.folder, env={}, seen=0)
        self.assertEqual("/\\n", self.client.execute("runtime.shell.run('pwd')['stdout']")[0]["result"].strip("'"))
        said, _ = self.client.execute("runtime.shell.run(['printf', '<%s>', 'a b', '$HOME'])['stdout']")
        self.assertEqual("'<a b><$HOME>'", said["result"])
        self.client.send(type="shell_context", cwd=self.folder, env={}, seen=1)
        self.assertIn(os.path.realpath(self.folder), self.client.execute("runtime.shell.run('pwd')")[0]["result"])
        self.client.close()
        again = self.connect()
        self.assertEqual({"cwd": self.folder, "env": {}, "changes": 1}, again.ready["shell"])

    def test_a_variable_that_no_command_could_be_given_is_refused(self):
        for key, value in (("A B", "x"), ("", "x"), ("1A", "x"), ("A=B", "x"), ("\xe4", "x"), ("A\n", "x"), (5, "x"),
                           ("A", "a\0b"), ("A", "x" * (64 << 10) + "x"), ("A", "\xe4" * (33 << 10))):
            done, _ = self.client.execute(f"runtime.shell.env({key!r}, {value!r})")
            self.assertEqual(("failed", "ValueError"), (done["status"], done["error"]["type"]), (key, value[:9]))
        self.client.execute("runtime.shell.env('_A1', 'x' * (64 << 10))")
        self.assertEqual("65537", self.client.execute("len(runtime.shell.run('echo $_A1')['stdout'])")[0]["result"])

    def test_only_so_many_cells_are_told_again(self):
        for _ in range(300):
            self.client.execute("None")
        self.client.close()
        again = self.connect()
        again.send(type="hello", after=0)
        seen = []
        while not seen or seen[-1].get("seq") != again.ready["seq"]:
            seen.append(again.read())
        self.assertEqual(["truncated"] + ["started", "done"] * 256, [message["type"] for message in seen])
        self.assertEqual(seen[0]["to"] + 1, seen[1]["seq"])

    def test_cells_long_ago_are_forgotten_and_nobody_is_warned(self):
        self.client.execute("value = object()")
        for number in range(2, 1100):
            done, outputs = self.client.execute(str(number))
            self.assertEqual([str(number)], [output["data"]["text/plain"] for output in outputs])
        code = "(_1090, Out[1090], In[1090], _i1090, '_5' in globals(), 5 in Out, In[5], len(Out) < 1000)"
        self.assertEqual("(1090, 1090, '1090', '1090', False, False, '', True)", self.client.execute(code)[0]["result"])

    def test_a_client_that_comes_back_gets_what_it_missed(self):
        self.client.execute("print('one')")
        seq = self.client.ready["seq"]
        self.client.close()
        again = self.connect()
        again.send(type="hello", after=seq)
        seen = again.until("done")
        self.assertEqual(list(range(seq + 1, seq + len(seen) + 1)), [message["seq"] for message in seen])

    def test_a_cell_goes_on_without_its_client(self):
        self.client.send(type="execute", execution_id="e", code="import time\nprint('begun')\ntime.sleep(0.2)\n7")
        self.client.until("event")
        self.client.close()
        again = self.connect()
        again.send(type="hello", after=0)
        self.assertEqual("7", again.until("done")[-1]["result"])

    def test_a_flood_arrives_whole_and_in_few_events(self):
        _, outputs = self.client.execute("for n in range(20000): print(n)")
        self.assertEqual("".join(f"{n}\n" for n in range(20000)), self.text(outputs))
        self.assertLess(len(outputs), 2000)
        _, outputs = self.client.execute("!head -c 20000000 /dev/zero | tr '\\0' x")
        self.assertEqual(20000000, len(self.text(outputs)))

    def test_what_was_printed_is_not_kept(self):
        resident = "__import__('os').sysconf('SC_PAGE_SIZE') * int(open('/proc/self/statm').read().split()[1])"
        before = int(self.client.execute(resident)[0]["result"])
        _, outputs = self.client.execute("for n in range(200): print(str(n % 10) * (1 << 20))")
        self.assertEqual(200 * ((1 << 20) + 1), sum(len(item["text"]) for item in outputs))
        # But for the last 64 MiB, for clients that come back.
        self.assertLess(int(self.client.execute(resident)[0]["result"]) - before, 120 << 20)

    def test_a_stream_of_the_cells_own_stays_and_is_nobody_elses(self):
        self.client.execute("import io, sys\nkept, sys.stdout = sys.stdout, io.StringIO()")
        done, outputs = self.client.execute("print('aside')")
        self.assertEqual(("completed", []), (done["status"], outputs))
        self.assertEqual("'aside\\n'", self.client.execute("sys.stdout.getvalue()")[0]["result"])
        self.assertEqual("back\n", self.text(self.client.execute("sys.stdout = kept\nprint('back')")[1]))

    def test_an_output_that_is_too_large_is_told_as_such(self):
        told = "<65 MiB were not shown: the limit for one output is 64 MiB. Show a part of it, or write it to a file.>"
        self.client.execute("large = 'x' * (65 << 20)")
        done, outputs = self.client.execute("large")
        self.assertEqual(("completed", told, {"text/plain": told}), (done["status"], done["result"], outputs[0]["data"]))
        _, outputs = self.client.execute("display({'application/json': {'a': [large]}}, raw=True, display_id='one')")
        self.assertEqual(({"text/plain": told}, {"display_id": "one"}), (outputs[0]["data"], outputs[0]["transient"]))
        done, outputs = self.client.execute("class Large(Exception):\n    def _render_traceback_(self): return [large]\n"
                                            "raise Large(large)")
        self.assertEqual(("failed", "Large"), (done["status"], done["error"]["type"]))
        self.assertIn("were not shown", done["error"]["message"])
        self.assertIn("were not shown", outputs[0]["evalue"])
        self.client.execute("def f(): pass\nf.__doc__ = large")
        self.assertIn("were not shown", self.client.ask("inspect", code="f", cursor_pos=1))
        # A stream comes in pieces, and whole.
        self.assertEqual(65 << 20, len(self.text(self.client.execute("print(large, end='')")[1])))

    def test_a_client_that_reads_nothing_does_not_hold_the_cell(self):
        mark = os.path.join(self.folder, "mark")
        os.mkfifo(mark)
        code = f"for _ in range(100): print('x' * 1000000)\nopen({mark!r}, 'w').write('done')"
        self.client.send(type="execute", execution_id="e", code=code)
        with open(mark, encoding="utf-8") as ended:
            self.assertEqual("done", ended.read())
        kinds = [message["type"] for message in self.client.until("done")]
        self.assertIn("truncated", kinds)

    def test_the_socket_is_private_and_sigterm_ends_it(self):
        self.assertEqual(0o600, stat.S_IMODE(os.stat(self.path).st_mode))
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(-signal.SIGTERM, self.process.wait(DEADLINE_S))
