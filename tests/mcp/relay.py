"""The relay in front of the reference server, for tests with real clients."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
SERVER = HERE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
TOKEN = "a-token-of-the-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@contextlib.contextmanager
def running(servers=None, **variables):
    """Its address, while it runs; nothing of it is left afterwards."""
    entry = {"command": "node", "args": [str(SERVER), "stdio"]}
    servers = servers or {"everything": entry, "alone": {**entry, "isolate": True}}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "mcp.json"
        path.write_text(json.dumps({"mcpServers": servers}))
        process = subprocess.Popen(
            [os.environ["VIVARIUM_BODY"], "mcp", "--port", "0", "--config", str(path)],
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "OS_TOKEN": TOKEN,
                "LOG_LEVEL": "error",
                "TMPDIR": folder,
                **variables,
            },
            text=True,
        )
        try:
            line = process.stdout.readline()
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            process.wait(120)
            process.stdout.close()
        # What was killed ends a moment later.
        deadline = time.monotonic() + 120
        while left := [pid for pid in os.listdir("/proc") if pid.isdigit() and folder in environment(pid)]:
            assert time.monotonic() < deadline, f"processes are left: {left}"
            time.sleep(0.02)


def environment(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def status(address):
    """What the relay says of its servers, by name."""
    request = urllib.request.Request(f"{address}/status", headers=HEADERS)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return {server["name"]: server for server in json.load(answer)["servers"]}
