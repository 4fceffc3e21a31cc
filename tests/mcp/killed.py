"""A relay that is killed: its servers end with it, and what they had started when the next one starts."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

SCRIPT = pathlib.Path(__file__).parents[2] / "body/src/mcp/tests/server.py"


def lives(pid):
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


class Killed(unittest.TestCase):
    def start(self, config):
        process = subprocess.Popen(
            [os.environ["VIVARIUM_BODY"], "mcp", "--port", "0", "--config", config],
            stdout=subprocess.PIPE,
            env={**os.environ, "OS_TOKEN": "off", "LOG_LEVEL": "error"},
            text=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.addCleanup(process.stdout.close)
        return process, process.stdout.readline().removeprefix("listening on ").strip()

    def post(self, address, message, session=None):
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if session:
            headers["Mcp-Session-Id"] = session
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        request = urllib.request.Request(f"{address}/servers/a/mcp", body, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.headers["Mcp-Session-Id"], json.load(answer)

    def call(self, address, session, name):
        params = {"name": name, "arguments": {}}
        message = {"id": 1, "method": "tools/call", "params": params}
        return self.post(address, message, session)[1]["result"]["content"][0]["text"]

    def until_gone(self, pid):
        deadline = time.monotonic() + 120
        while lives(pid):
            self.assertLess(time.monotonic(), deadline, f"{pid} lives on")
            time.sleep(0.02)

    def test_nothing_is_left(self):
        with tempfile.TemporaryDirectory() as folder:
            config = f"{folder}/mcp.json"
            entry = {"command": sys.executable, "args": ["-S", str(SCRIPT)]}
            pathlib.Path(config).write_text(json.dumps({"mcpServers": {"a": entry}}))
            first, address = self.start(config)
            info = {"name": "test", "version": "1"}
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
            session, _ = self.post(address, {"id": 0, "method": "initialize", "params": params})
            server = self.call(address, session, "pid")
            child = self.call(address, session, "child")
            first.kill()
            first.wait()
            self.until_gone(server)
            self.assertTrue(lives(child))
            self.start(config)
            self.until_gone(child)


if __name__ == "__main__":
    unittest.main()
