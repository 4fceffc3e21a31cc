"""The official Python client, 2.x, against the relay: with sessions and without."""

import asyncio
import contextlib
import unittest

import httpx2
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CreateMessageResult, ElicitResult, TextContent

import relay

LIMIT = 180


async def sampled(_context, _params):
    text = TextContent(type="text", text="sampled")
    return CreateMessageResult(role="assistant", content=text, model="test")


async def elicited(_context, _params):
    return ElicitResult(action="accept", content={"name": "Ada"})


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.address = cls.enterClassContext(relay.running())

    @contextlib.asynccontextmanager
    async def connect(self, path, mode, **options):
        async with httpx2.AsyncClient(headers=relay.HEADERS, timeout=LIMIT) as http:
            transport = streamable_http_client(f"{self.address}/{path}", http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                yield client

    def run_limited(self, work):
        asyncio.run(asyncio.wait_for(work, LIMIT))

    async def use(self, client, prefix=""):
        names = [tool.name for tool in (await client.list_tools()).tools]
        self.assertIn(f"{prefix}echo", names)
        result = await client.call_tool(f"{prefix}echo", {"message": "ä"})
        self.assertEqual(result.content[0].text, "Echo: ä")
        seen = []

        async def progressed(done, total, _message):
            seen.append((done, total))

        name = f"{prefix}trigger-long-running-operation"
        arguments = {"duration": 0.2, "steps": 2}
        await client.call_tool(name, arguments, progress_callback=progressed)
        self.assertEqual(seen, [(1, 2), (2, 2)])
        uri = (await client.list_resources()).resources[0].uri
        self.assertTrue((await client.read_resource(uri)).contents)
        prompt = await client.get_prompt(f"{prefix}simple-prompt")
        self.assertTrue(prompt.messages)
        with self.assertRaises(MCPError):
            await client.read_resource("demo://nothing")

    def test_stateless(self):
        async def main():
            before = relay.status(self.address)["everything"]["sessions"]
            for path, prefix in [("servers/everything/mcp", ""), ("mcp", "everything__")]:
                async with self.connect(path, "auto") as client:
                    self.assertEqual(client.protocol_version, "2026-07-28")
                    await self.use(client, prefix)
            self.assertEqual(relay.status(self.address)["everything"]["sessions"], before)

        self.run_limited(main())

    def test_with_sessions(self):
        async def main():
            for path, prefix in [("servers/everything/mcp", ""), ("mcp", "everything__")]:
                async with self.connect(path, "legacy") as client:
                    self.assertEqual(client.protocol_version, "2025-11-25")
                    await self.use(client, prefix)

        self.run_limited(main())

    def test_sse(self):
        async def main():
            transport = sse_client(f"{self.address}/servers/everything/sse", headers=relay.HEADERS)
            async with Client(transport, mode="legacy") as client:
                await self.use(client)

        self.run_limited(main())

    def test_questions_of_the_server_in_a_session(self):
        async def main():
            options = {"sampling_callback": sampled, "elicitation_callback": elicited}
            async with self.connect("servers/everything/mcp", "legacy", **options) as client:
                result = await client.call_tool("trigger-sampling-request", {"prompt": "p"})
                self.assertIn("sampled", str(result.content))
                result = await client.call_tool("trigger-elicitation-request", {})
                self.assertIn("Ada", str(result.content))

        self.run_limited(main())

    def test_questions_of_the_server_without_sessions(self):
        async def main():
            options = {"sampling_callback": sampled, "elicitation_callback": elicited}
            for path, prefix in [("servers/everything/mcp", ""), ("mcp", "everything__")]:
                async with self.connect(path, "auto", **options) as client:
                    self.assertEqual(client.protocol_version, "2026-07-28")
                    await self.use(client, prefix)
                    name = f"{prefix}trigger-sampling-request"
                    result = await client.call_tool(name, {"prompt": "p"})
                    self.assertIn("sampled", str(result.content))
                    name = f"{prefix}trigger-elicitation-request"
                    result = await client.call_tool(name, {})
                    self.assertIn("Ada", str(result.content))
            # One process a client, not one a request.
            shown = relay.status(self.address)["everything"]
            self.assertLessEqual(shown["own_processes"], 2)

        self.run_limited(main())

    def test_a_stateless_call_that_is_dropped_is_cancelled(self):
        async def main():
            async with self.connect("servers/everything/mcp", "auto") as client:
                arguments = {"duration": 60, "steps": 2}
                name = "trigger-long-running-operation"
                call = asyncio.create_task(client.call_tool(name, arguments))
                while not relay.status(self.address)["everything"]["in_flight"]:
                    await asyncio.sleep(0.02)
                call.cancel()
                while relay.status(self.address)["everything"]["in_flight"]:
                    await asyncio.sleep(0.02)

        self.run_limited(main())


if __name__ == "__main__":
    unittest.main()
