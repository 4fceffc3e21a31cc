"""What the tests of the worker share: the real process, over its real socket."""

import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

DEADLINE_S = 180


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")
        self.ready = self.read()

    def read(self):
        (length,) = struct.unpack(">I", self.file.read(4))
        return json.loads(self.file.read(length))

    def send(self, **message):
        body = json.dumps(message).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def until(self, kind):
        seen = []
        while True:
            seen.append(self.read())
            if seen[-1]["type"] == kind:
                return seen

    def execute(self, code, **more):
        self.send(type="execute", execution_id="e", code=code, **more)
        seen = self.until("done")
        return seen[-1], [message["output"] for message in seen if message["type"] == "event"]

    def ask(self, what, **arguments):
        """A question or a job; its value, or the error's text."""
        self.send(type="ask", ask=7, what=what, arguments=arguments)
        answer = self.until("answer")[-1]
        return answer["error"] if "error" in answer else answer["value"]

    def close(self):
        self.file.close()
        self.socket.close()


class WorkerCase(unittest.TestCase):
    """A worker process of its own, and a client of it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "k.sock")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vivarium_kernel", "--socket", self.path],
            env={**os.environ, "IPYTHONDIR": self.folder, "MPLCONFIGDIR": self.folder},
        )
        self.addCleanup(self.end)
        self.client = self.connect()

    def connect(self):
        # The socket's file appears when the worker listens; connecting is refused until then.
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                client = Client(self.path)
                self.addCleanup(client.close)
                return client
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                os.sched_yield()

    def end(self):
        self.process.kill()
        self.process.wait()

    def text(self, outputs, name="stdout"):
        return "".join(item["text"] for item in outputs if item.get("name") == name)
