"""E2B's Python SDK, unchanged: everything it does with sandboxes, commands, terminals, files and code.

E2B_API_KEY, E2B_API_URL and E2B_SANDBOX_URL lead it to `vivarium serve`.
"""

import asyncio
import re
import threading
import time
import unittest
import urllib.error
import urllib.request

from e2b import CommandExitException, NotFoundException, SandboxException, TimeoutException
from e2b.sandbox.commands.command_handle import PtySize
from e2b_code_interpreter import AsyncSandbox, Sandbox

PATIENCE_S = 300


def until(check):
    """Waits until something is so."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to that in time")


class Shared(unittest.TestCase):
    """Tests that share a sandbox."""

    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox.create(timeout=600, envs={"OWN": "value"}, metadata={"made by": "tests & more"})
        cls.addClassCleanup(cls.sandbox.kill)


class Commands(Shared):
    """`sandbox.commands`."""

    def run_it(self, *args, **more):
        return self.sandbox.commands.run(*args, **more)

    def test_streams_come_apart_and_whole(self):
        heard = []
        ended = self.run_it("echo out; echo err >&2", on_stdout=heard.append)
        self.assertEqual((ended.stdout, ended.stderr, ended.exit_code), ("out\n", "err\n", 0))
        self.assertEqual("".join(heard), "out\n")
        self.assertEqual(len(self.run_it("seq 1 200000").stdout), 1288895)

    def test_a_failure_is_an_exception_with_its_code(self):
        with self.assertRaises(CommandExitException) as caught:
            self.run_it("echo why >&2; exit 7")
        self.assertEqual((caught.exception.exit_code, caught.exception.stderr), (7, "why\n"))

    def test_environment_and_folder(self):
        self.assertEqual(self.run_it("echo $OWN $MORE", envs={"MORE": "it"}).stdout, "value it\n")
        self.assertEqual(self.run_it("pwd; echo $HOME").stdout, "/home/user\n/home/user\n")
        self.assertEqual(self.run_it("pwd", cwd="/tmp").stdout, "/tmp\n")

    def test_it_never_runs_as_root(self):
        self.assertNotEqual(self.run_it("id -u").stdout, "0\n")
        self.assertEqual(self.run_it("true", user="user").exit_code, 0)
        with self.assertRaises(Exception) as caught:
            self.run_it("id", user="root")
        self.assertIn("root", str(caught.exception))

    def test_input_reaches_a_command_in_the_background(self):
        command = self.run_it("while read line; do echo got $line; done", background=True, stdin=True)
        self.sandbox.commands.send_stdin(command.pid, "one\n")
        self.sandbox.commands.send_stdin(command.pid, "two\n")
        self.sandbox.commands.close_stdin(command.pid)
        self.assertEqual(command.wait().stdout, "got one\ngot two\n")

    def test_a_command_without_input_reads_nothing(self):
        self.assertEqual(self.run_it("cat; echo end").stdout, "end\n")

    def test_commands_are_listed_found_again_and_killed(self):
        command = self.run_it("echo begun; sleep 600", background=True, timeout=0)
        listed = {one.pid: one for one in self.sandbox.commands.list()}
        self.assertEqual(listed[command.pid].cmd, "/bin/bash")
        self.assertEqual(listed[command.pid].args[:2], ["-l", "-c"])
        command.disconnect()
        again = self.sandbox.commands.connect(command.pid)
        self.assertEqual(again.pid, command.pid)
        self.assertTrue(again.kill())
        with self.assertRaises(CommandExitException):
            again.wait()
        until(lambda: command.pid not in [one.pid for one in self.sandbox.commands.list()])
        self.assertFalse(self.sandbox.commands.kill(command.pid))

    def test_a_time_limit_ends_a_command(self):
        with self.assertRaises(TimeoutException):
            self.run_it("sleep 600; echo never", timeout=1)
        until(lambda: not self.sandbox.commands.list())

    def test_many_at_once(self):
        found = {}

        def one(number):
            found[number] = self.run_it(f"echo {number}").stdout

        threads = [threading.Thread(target=one, args=(number,)) for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, {number: f"{number}\n" for number in range(30)})

    def test_a_terminal_echoes_and_is_resized(self):
        shown = []
        pty = self.sandbox.pty.create(PtySize(rows=24, cols=80))
        reading = threading.Thread(target=lambda: _ended(pty, shown))
        reading.start()
        try:
            self.sandbox.pty.send_stdin(pty.pid, b"stty size; echo mar''ker\n")
            until(lambda: b"24 80" in b"".join(shown) and b"marker" in b"".join(shown))
            self.sandbox.pty.resize(pty.pid, PtySize(rows=30, cols=100))
            self.sandbox.pty.send_stdin(pty.pid, b"stty size\n")
            until(lambda: b"30 100" in b"".join(shown))
        finally:
            self.assertTrue(self.sandbox.pty.kill(pty.pid))
            reading.join()


def _ended(pty, shown):
    """Reads a terminal to its end, however that comes."""
    try:
        pty.wait(on_pty=shown.append)
    except Exception:
        pass


class Files(Shared):
    """`sandbox.files`."""

    def test_text_and_bytes_and_streams(self):
        files = self.sandbox.files
        written = files.write("folder/a ä.txt", "text")
        self.assertEqual((written.name, written.path), ("a ä.txt", "/home/user/folder/a ä.txt"))
        self.assertEqual(files.read("/home/user/folder/a ä.txt"), "text")
        content = bytes(range(256)) * 40000
        files.write("/tmp/big", content)
        self.assertEqual(bytes(files.read("/tmp/big", format="bytes")), content)
        self.assertEqual(b"".join(files.read("/tmp/big", format="stream")), content)
        files.write("empty", "")
        self.assertEqual(files.read("empty"), "")
        self.assertEqual(self.sandbox.commands.run("cat 'folder/a ä.txt'").stdout, "text")

    def test_compressed_uploads(self):
        content = b"again and again " * 100000
        self.sandbox.files.write("packed", content, gzip=True)
        self.assertEqual(bytes(self.sandbox.files.read("packed", format="bytes")), content)

    def test_several_at_once(self):
        written = self.sandbox.files.write_files([{"path": "many/1", "data": "one"}, {"path": "/tmp/many/2", "data": b"two"}])
        self.assertEqual([one.path for one in written], ["/home/user/many/1", "/tmp/many/2"])
        self.assertEqual(self.sandbox.files.read("/tmp/many/2"), "two")

    def test_what_is_there_and_what_is_not(self):
        files = self.sandbox.files
        self.assertTrue(files.make_dir("there/below"))
        self.assertFalse(files.make_dir("there/below"))
        files.write("there/file", "12345")
        self.assertTrue(files.exists("there/file") and not files.exists("there/nothing"))
        listed = {one.name: one for one in files.list("there")}
        self.assertEqual(sorted(listed), ["below", "file"])
        self.assertEqual((listed["file"].type.value, listed["below"].type.value), ("file", "dir"))
        deep = files.list("/home/user", depth=2)
        self.assertIn("/home/user/there/file", [one.path for one in deep])
        info = files.get_info("there/file")
        self.assertEqual((info.size, info.owner, info.permissions[:4]), (5, "user", "-rw-"))
        moved = files.rename("there/file", "there/moved")
        self.assertEqual(moved.path, "/home/user/there/moved")
        files.remove("there")
        self.assertFalse(files.exists("there"))
        files.remove("there")
        for call in (lambda: files.read("there/file"), lambda: files.list("nowhere"), lambda: files.rename("no", "where")):
            with self.assertRaises(NotFoundException):
                call()

    def test_nothing_outside_is_reached(self):
        self.assertFalse(self.sandbox.files.exists("/etc/passwd"))
        self.sandbox.commands.run("ln -sfn / /home/user/out")
        for path in ("/etc/passwd", "/proc/1/environ", "/home/user/out/etc/passwd", "../../etc/passwd"):
            with self.assertRaises(Exception, msg=path):
                self.sandbox.files.read(path)

    def test_a_watched_folder_tells_of_changes(self):
        files = self.sandbox.files
        files.make_dir("watched")
        watcher = files.watch_dir("watched", recursive=True)
        files.write("watched/new", "text")
        seen = []

        def told():
            seen.extend((event.name, event.type.value) for event in watcher.get_new_events())
            return ("new", "create") in seen or ("new", "rename") in seen or ("new", "write") in seen

        until(told)
        watcher.stop()

    def test_signed_addresses_open_one_file_in_one_way(self):
        self.sandbox.files.write("shared file", "for all")
        url = self.sandbox.download_url("shared file")
        with urllib.request.urlopen(url) as response:
            self.assertEqual(response.read(), b"for all")
            self.assertTrue(response.headers["Content-Disposition"].startswith("attachment"))
            self.assertEqual(response.headers["Content-Type"], "application/octet-stream")
        timed = self.sandbox.download_url("shared file", use_signature_expiration=600)
        urllib.request.urlopen(timed).close()
        for wrong in (url.replace("shared%20file", "other"), url + "x", self.sandbox.download_url("shared file", use_signature_expiration=-600)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(wrong)
            self.assertEqual(caught.exception.code, 401, wrong)


class Code(Shared):
    """The code interpreter."""

    def test_variables_stay_and_values_are_shown(self):
        self.sandbox.run_code("x = 20")
        ran = self.sandbox.run_code("print('told'); x + 22")
        self.assertEqual((ran.text, ran.logs.stdout, ran.error), ("42", ["told\n"], None))
        self.assertEqual(self.sandbox.run_code("'text'").text, "text")
        self.assertGreater(ran.execution_count, 0)

    def test_outputs_come_while_it_runs(self):
        times = []
        self.sandbox.run_code(
            "import time\nfor n in range(3):\n print(n, flush=True)\n time.sleep(0.5)",
            on_stdout=lambda _: times.append(time.monotonic()),
        )
        self.assertGreater(times[-1] - times[0], 0.7)

    def test_an_error_is_told(self):
        ran = self.sandbox.run_code("import sys\nprint('e', file=sys.stderr)\n1 / 0")
        self.assertEqual(ran.error.name, "ZeroDivisionError")
        self.assertIn("division by zero", ran.error.value)
        # As a notebook has it: with colours.
        self.assertIn("1 / 0", re.sub(r"\x1b\[[0-9;]*m", "", ran.error.traceback))
        self.assertIn("e\n", "".join(ran.logs.stderr))

    def test_rich_values_have_their_forms(self):
        ran = self.sandbox.run_code("from IPython.display import HTML, JSON, display\ndisplay(JSON({'a': 1}))\nHTML('<b>x</b>')")
        self.assertEqual(ran.results[0].json, {"a": 1})
        self.assertFalse(ran.results[0].is_main_result)
        self.assertEqual((ran.results[1].html, ran.results[1].is_main_result), ("<b>x</b>", True))

    def test_code_and_files_meet_at_home(self):
        self.sandbox.files.write("data.csv", "a,b\n1,2\n")
        self.assertEqual(self.sandbox.run_code("open('data.csv').read()").text, "a,b\\n1,2\\n")
        self.assertEqual(self.sandbox.run_code("import os; os.getcwd()").text, "/home/user")

    def test_environment_is_for_one_run(self):
        read = "import os; os.environ.get('ONCE', 'nothing')"
        self.assertEqual(self.sandbox.run_code(read, envs={"ONCE": "it"}).text, "it")
        self.assertEqual(self.sandbox.run_code(read).text, "nothing")
        self.assertEqual(self.sandbox.run_code("os.environ['OWN']").text, "value")

    def test_contexts_know_nothing_of_each_other(self):
        context = self.sandbox.create_code_context(cwd="/tmp")
        self.assertEqual((context.language, context.cwd), ("python", "/tmp"))
        self.sandbox.run_code("only_here = 1", context=context)
        self.assertEqual(self.sandbox.run_code("only_here", context=context).text, "1")
        self.assertEqual(self.sandbox.run_code("only_here").error.name, "NameError")
        self.assertIn(context.id, [one.id for one in self.sandbox.list_code_contexts()])
        self.sandbox.restart_code_context(context)
        self.assertEqual(self.sandbox.run_code("only_here", context=context).error.name, "NameError")
        self.sandbox.remove_code_context(context)
        with self.assertRaises(NotFoundException):
            self.sandbox.run_code("1", context=context)

    def test_a_client_that_gives_up_interrupts_its_code(self):
        with self.assertRaises(TimeoutException):
            self.sandbox.run_code("import time; time.sleep(600)", timeout=1)
        self.assertEqual(self.sandbox.run_code("6 * 7", timeout=300).text, "42")

    def test_other_languages_are_refused_with_words(self):
        with self.assertRaises(SandboxException) as caught:
            self.sandbox.run_code("1", language="r")
        self.assertIn("501", str(caught.exception))


class Life(unittest.TestCase):
    """How sandboxes come, are found again, and go."""

    def made(self, **more):
        sandbox = Sandbox.create(**more)
        self.addCleanup(sandbox.kill)
        return sandbox

    def test_it_is_found_by_what_it_was_given(self):
        label = f"it's & {time.time_ns()}"
        sandbox = self.made(metadata={"a label": label}, timeout=120)
        from e2b.sandbox.sandbox_api import SandboxQuery

        pages = Sandbox.list(query=SandboxQuery(metadata={"a label": label}))
        found = pages.next_items()
        self.assertEqual([one.sandbox_id for one in found], [sandbox.sandbox_id])
        self.assertFalse(pages.has_next)
        info = sandbox.get_info()
        self.assertEqual(info.metadata, {"a label": label})
        self.assertEqual(info.state.value, "running")
        self.assertAlmostEqual((info.end_at - info.started_at).total_seconds(), 120, delta=2)

    def test_pages_have_an_end(self):
        label = str(time.time_ns())
        made = {self.made(metadata={"page": label}).sandbox_id for _ in range(3)}
        from e2b.sandbox.sandbox_api import SandboxQuery

        pages, found, turns = Sandbox.list(query=SandboxQuery(metadata={"page": label}), limit=2), [], 0
        while pages.has_next:
            found += [one.sandbox_id for one in pages.next_items()]
            turns += 1
        self.assertEqual((set(found), len(found), turns), (made, 3, 2))

    def test_another_client_connects_to_it(self):
        sandbox = self.made(timeout=300)
        sandbox.files.write("left", "here")
        again = Sandbox.connect(sandbox.sandbox_id)
        self.assertEqual(again.files.read("left"), "here")
        again.set_timeout(900)
        left = (again.get_info().end_at - again.get_info().started_at).total_seconds()
        self.assertGreater(left, 890)

    def test_a_pause_keeps_the_memory(self):
        sandbox = self.made()
        sandbox.run_code("kept = 1")
        sandbox.pause()
        self.assertFalse(sandbox.is_running())
        self.assertEqual(sandbox.get_info().state.value, "paused")
        sandbox.connect()
        self.assertTrue(sandbox.is_running())
        self.assertEqual(sandbox.run_code("kept").text, "1")

    def test_one_that_may_goes_on_with_the_next_command(self):
        sandbox = self.made(lifecycle={"on_timeout": "pause", "auto_resume": True})
        sandbox.run_code("kept = 1")
        for call in (lambda: sandbox.run_code("kept").text, lambda: sandbox.commands.run("echo 1").stdout.strip(), lambda: len(sandbox.files.list("/workspace")) + 1):
            sandbox.pause()
            self.assertEqual(str(call()), "1")

    def test_one_that_is_gone_is_known_as_that(self):
        sandbox = self.made()
        self.assertTrue(sandbox.is_running())
        self.assertTrue(sandbox.kill())
        self.assertFalse(sandbox.kill())
        self.assertFalse(sandbox.is_running())
        for call in (lambda: sandbox.commands.run("true"), lambda: sandbox.files.read("a"), lambda: sandbox.run_code("1")):
            with self.assertRaises(TimeoutException):
                call()
        with self.assertRaises(NotFoundException):
            sandbox.set_timeout(10)
        with self.assertRaises(NotFoundException):
            Sandbox.connect(sandbox.sandbox_id)

    def test_it_ends_when_its_time_is_over(self):
        sandbox = self.made(timeout=2)
        until(lambda: not sandbox.is_running())

    def test_it_reaches_nothing_unless_asked(self):
        sandbox = self.made()
        for address in ("1.1.1.1:80", "169.254.169.254:80", "[2606:4700:4700::1111]:80"):
            host, _, port = address.rpartition(":")
            with self.assertRaises(CommandExitException):
                sandbox.commands.run(f"timeout 3 bash -c '</dev/tcp/{host.strip('[]')}/{port}'")
        self.assertIs(sandbox.get_info().allow_internet_access, False)

    def test_what_is_not_there_is_refused_with_words(self):
        with self.assertRaises(SandboxException) as caught:
            Sandbox.create(network={"allow_out": ["example.org"]})
        self.assertIn("501", str(caught.exception))
        self.assertIn("network rules", str(caught.exception))

    def test_metrics_are_one_point(self):
        sandbox = self.made()
        point = until(sandbox.get_metrics)[-1]
        self.assertGreater(point.mem_total, 0)
        self.assertGreaterEqual(point.cpu_count, 1)

    def test_a_stranger_s_key_opens_nothing(self):
        with self.assertRaises(Exception) as caught:
            Sandbox.create(api_key="e2b_" + "0" * 40)
        self.assertIn("401", str(caught.exception))

    def test_one_sandbox_s_token_opens_no_other(self):
        from e2b.connection_config import ConnectionConfig

        one, other = self.made(), self.made()
        token = one.connection_config.sandbox_headers["X-Access-Token"]
        url = one.connection_config.get_sandbox_url(other.sandbox_id, "")
        headers = {"E2b-Sandbox-Id": other.sandbox_id, "E2b-Sandbox-Port": str(ConnectionConfig.envd_port), "X-Access-Token": token}
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(f"{url}/health", headers=headers))
        self.assertEqual(caught.exception.code, 401)


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    """The same with asyncio."""

    async def test_commands_files_and_code_at_once(self):
        sandbox = await AsyncSandbox.create(timeout=300)
        try:
            ran, _, code = await asyncio.gather(
                sandbox.commands.run("echo out"), sandbox.files.write("a", "text"), sandbox.run_code("6 * 7")
            )
            self.assertEqual((ran.stdout, code.text), ("out\n", "42"))
            self.assertEqual(await sandbox.files.read("a"), "text")
            events = []
            watch = await sandbox.files.watch_dir("/tmp", on_event=events.append)
            await sandbox.files.write("/tmp/seen", "x")
            for _ in range(500):
                if events:
                    break
                await asyncio.sleep(0.02)
            self.assertTrue(events)
            await watch.stop()
        finally:
            await sandbox.kill()


if __name__ == "__main__":
    unittest.main()
