"""A client of the official Python SDK whose relay is killed and started again: its session goes on."""

import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client

import relay

LIMIT = 180
SCRIPT = pathlib.Path(__file__).parents[2] / "body/src/mcp/tests/server.py"


async def sampled(_context, _params):
    text = types.TextContent(type="text", text="x")
    return types.CreateMessageResult(role="assistant", content=text, model="of the client")


class TakenUp(unittest.TestCase):
    def start(self, folder, port):
        process = subprocess.Popen(
            [os.environ["VIVARIUM_BODY"], "mcp", "--port", str(port), "--config", f"{folder}/mcp.json", "--sessions", f"{folder}/sessions"],
            stdout=subprocess.PIPE,
            env={**os.environ, "OS_TOKEN": relay.TOKEN, "LOG_LEVEL": "error"},
            text=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.addCleanup(process.stdout.close)
        return process, process.stdout.readline().removeprefix("listening on ").strip()

    async def use(self, folder, path, tool):
        first, address = self.start(folder, 0)
        options = {"sampling_callback": sampled}
        async with contextlib.AsyncExitStack() as stack:
            url = f"{address}/{path}"
            streams = await stack.enter_async_context(streamablehttp_client(url, headers=relay.HEADERS))
            made = await stack.enter_async_context(ClientSession(streams[0], streams[1], **options))
            await made.initialize()
            before = await made.call_tool(tool("pid"), {})
            for _ in range(2):
                first.kill()
                first.wait()
                first, again = self.start(folder, address.rsplit(":", 1)[1])
                self.assertEqual(again, address)
                # Another process, the same session: it was initialized in the client's name.
                after = await made.call_tool(tool("pid"), {})
                self.assertNotEqual(after.content[0].text, before.content[0].text)
                asked = await made.call_tool(tool("ask"), {})
                self.assertIn("of the client", asked.content[0].text)

    def check(self, path, tool):
        with tempfile.TemporaryDirectory() as folder:
            entry = {"command": sys.executable, "args": ["-S", str(SCRIPT)]}
            pathlib.Path(folder, "mcp.json").write_text(json.dumps({"mcpServers": {"a": entry}}))
            asyncio.run(asyncio.wait_for(self.use(folder, path, tool), LIMIT))

    def test_with_one_server(self):
        self.check("servers/a/mcp", lambda name: name)

    def test_with_all_servers(self):
        self.check("mcp", lambda name: f"a__{name}")


if __name__ == "__main__":
    unittest.main()
