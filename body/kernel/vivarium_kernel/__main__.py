"""`python -m vivarium_kernel --socket PATH`: the kernel's process.

Answers that need no namespace (status, interrupt, shell context) come from the reader thread,
so they come while a cell runs; cells and resets queue for the main thread.
"""

import argparse
import os
import platform
import queue
import signal
import sys

from .interrupt import Interrupts
from .output import Output, Stream
from .runtime import Runtime
from .wire import Outbox, Server


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

    shell = shells.make(output, interrupts, runtime)
    Worker(shell, outbox, output, interrupts, runtime).serve(path, log)


class Worker:
    """The queue of cells between the reader thread and the main thread."""

    def __init__(self, shell, outbox, output, interrupts, runtime):
        self._shell, self._outbox, self._output = shell, outbox, output
        self._interrupts, self._runtime = interrupts, runtime
        self._queue = queue.SimpleQueue()
        self._busy = False

    def serve(self, path, log):
        """Runs cells for ever."""
        ready = {"type": "ready", "pid": os.getpid(), "python": platform.python_version()}

        def hello():
            return {**ready, "seq": self._outbox.seq, "shell": self._runtime.shell.context()}

        self._server = Server(path, self._outbox, hello, self._take, log)
        while True:
            try:
                message = self._queue.get()
                self._busy = True
                if message["type"] == "execute":
                    self._execute(message)
                else:
                    self._shell.clear(self._runtime)
                    self._outbox.reply({"type": "reset_done"})
            except KeyboardInterrupt:
                pass  # an interrupt that a cell set loose in another way than ours
            except Exception as error:
                log(f"{type(error).__name__}: {error}")
            finally:
                self._busy = False

    def _execute(self, message):
        execution_id = message["execution_id"]
        self._output.begin(execution_id)
        self._outbox.event({"type": "started", "execution_id": execution_id})
        fields = {"status": "failed", "result": None, "timing_ms": 0, "execution_count": None,
                  "error": {"type": "InternalError", "message": "The kernel failed to run the cell.", "traceback": ""}}
        try:
            fields = self._shell.execute(message["code"], bool(message.get("silent")))
        except BaseException as error:
            fields["error"]["message"] = f"{type(error).__name__}: {error}"
        finally:
            try:
                self._output.finish()
            finally:
                self._busy = False
                self._outbox.event({"type": "done", "execution_id": execution_id, **fields})

    def _take(self, message):
        """In the reader thread."""
        kind = message.get("type")
        if kind == "execute":
            if not isinstance(message.get("code"), str) or not isinstance(message.get("execution_id"), str):
                raise ValueError("execute wants code and execution_id")
            self._queue.put(message)
        elif kind == "reset":
            self._queue.put(message)
        elif kind == "interrupt":
            self._interrupts.send()
        elif kind == "status":
            self._outbox.reply({
                "type": "status", "exec_count": self._shell.execution_count - 1,
                "globals_count": self._shell.globals_count(), "busy": self._busy or not self._queue.empty(),
            })
        elif kind == "shell_context":
            self._runtime.shell.adopt(message.get("cwd"), message.get("env"), message.get("seen"))
        else:
            raise ValueError(f"unknown type {kind!r}")


main()
