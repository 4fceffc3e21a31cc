"""`python -m vivarium_kernel --socket PATH`: the kernel's process.

Answers that need no namespace (status, interrupt, shell context) come while a cell runs, from
the reader thread; cells and resets are the main thread's.
"""

import argparse
import gc
import os
import platform
import signal
import sys

from .asks import Asks
from .inputs import Inputs
from .interrupt import Interrupts
from .output import Output, Stream
from .runtime import Runtime
from .server import Server
from .wire import Outbox


def main():
    parser = argparse.ArgumentParser(prog="vivarium_kernel")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    path = parser.parse_args().socket

    # The kernel outlives whoever started it: no hang-up, no broken pipe of a lost log.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log_fd = os.dup(2)

    def log(text):
        try:
            os.write(log_fd, f"kernel: {text}\n".encode("utf-8", "replace"))
        except OSError:
            pass

    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0, inheritable=True)
    os.close(null)

    interrupts = Interrupts()
    outbox = Outbox(interrupts)
    output = Output(outbox, interrupts)
    sys.stdout, sys.stderr = Stream(output, "stdout", 1), Stream(output, "stderr", 2)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    runtime = Runtime(lambda change: outbox.reply({"type": "shell_context", **change}))

    # As `python` itself has it, and a notebook too: the working folder can be imported from.
    if "" not in sys.path:
        sys.path.insert(0, "")
    sys.argv = [""]

    from . import shell as shells

    inputs = Inputs(output)
    shell = shells.make(output, interrupts, runtime)
    inputs.install()
    # What is loaded by now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    Worker(shell, outbox, output, interrupts, inputs, runtime).serve(path, log)


class Worker:
    """What the main thread does, and what is answered at once."""

    def __init__(self, shell, outbox, output, interrupts, inputs, runtime):
        self._shell, self._outbox, self._output = shell, outbox, output
        self._interrupts, self._inputs, self._runtime = interrupts, inputs, runtime
        self._asks = Asks(shell, outbox)
        self._jobs = {"reset": self._reset, "store": self._store, "reload": self._reload}
        self._busy = False
        self._pid = os.getpid()

    def serve(self, path, log):
        """Runs cells for ever."""
        ready = {"type": "ready", "pid": os.getpid(), "python": platform.python_version()}

        def hello():
            return {**ready, "seq": self._outbox.seq, "shell": self._runtime.shell.context()}

        tasks = self._shell.tasks

        def between(has_message):
            self._interrupts.run(lambda: None, lambda: tasks.run(has_message), is_between=True)

        self._server = Server(path, self._outbox, hello, self._hear, log, tasks, between)
        self._server.start()
        while True:
            message = None
            try:
                message = self._server.take()
                self._busy = True
                if message["type"] == "execute":
                    self._execute(message)
                else:
                    self._work(message)
            except KeyboardInterrupt:
                pass
            except Exception as error:
                log(f"{type(error).__name__}: {error}")
            finally:
                self._server.begun(message)
                self._busy = False

    def _execute(self, message):
        execution_id = message["execution_id"]
        self._output.begin(execution_id, message["raw"])
        fields = {"status": "failed", "result": None, "timing_ms": 0, "execution_count": None,
                  "error": {"type": "InternalError", "message": "The kernel failed to run the cell.", "traceback": ""}}
        try:
            def begun():
                self._server.begun(message)

            if message.get("comm"):
                fields = self._shell.hear(message["comm"], begun)
            else:
                self._shell.kernel.begin(execution_id)
                fields = self._shell.execute(message["code"], bool(message.get("silent")), begun)
        except BaseException as error:
            fields["error"]["message"] = f"{type(error).__name__}: {error}"
        finally:
            if os.getpid() != self._pid:
                os._exit(0)  # a child that the cell forked ends with its copy of the cell
            try:
                self._output.finish()
            finally:
                self._busy = False
                self._server.idle()
                self._outbox.event({"type": "done", "execution_id": execution_id, **fields})

    def _work(self, message):
        """A job of the main thread that is no cell."""
        answer = {"type": "answer", "ask": message.get("ask"), "error": "The request was interrupted."}

        def work():
            answer["value"] = self._jobs[message["what"]](**(message.get("arguments") or {}))
            del answer["error"]

        try:
            self._interrupts.run(lambda: self._server.begun(message), work)
        except BaseException as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        self._outbox.reply(answer)

    def _reset(self):
        self._shell.reset(new_session=False)
        return {}

    def _store(self, folder, name):
        from . import cryo

        return cryo.store(folder, name, self._shell, self._runtime)

    def _reload(self, folder, name):
        from . import cryo

        return cryo.reload(folder, name, self._shell, self._runtime)

    def _hear(self, message):
        """In whichever thread reads; True for what is the main thread's."""
        kind = message.get("type")
        if kind == "execute":
            if not isinstance(message.get("code"), str) or not isinstance(message.get("execution_id"), str):
                raise ValueError("execute requires code and execution_id")
            return True
        if kind == "interrupt":
            self._interrupts.send(early=self._server.waiting > 0)
        elif kind == "input":
            self._inputs.answer(message.get("number"), message.get("value"))
        elif kind == "shell_context":
            self._runtime.shell.adopt(message.get("cwd"), message.get("env"), message.get("seen"))
        elif kind == "ask":
            return self._ask(message)
        else:
            raise ValueError(f"unknown type {kind!r}")
        return False

    def _ask(self, message):
        what = message.get("what")
        if what in self._jobs:
            return True
        if what == "status":
            self._outbox.reply({"type": "answer", "ask": message.get("ask"), "value": {
                "exec_count": self._shell.execution_count - 1, "globals_count": len(self._shell.globals()),
                "busy": self._busy or self._server.waiting > 0,
            }})
        elif self._asks.knows(what):
            self._asks.put(message)
        else:
            self._outbox.reply({"type": "answer", "ask": message.get("ask"), "error": f"unknown question {what!r}"})
        return False


main()
