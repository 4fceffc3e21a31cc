"""The official Python client, 1.x, against the relay: HTTP+SSE and Streamable HTTP."""

import asyncio
import contextlib
import unittest

from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client

import relay

LIMIT = 180


async def sampled(_context, params):
    text = types.TextContent(type="text", text=f"sampled {params.messages[0].content.text}")
    return types.CreateMessageResult(role="assistant", content=text, model="test")


async def elicited(_context, _params):
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def roots(_context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///of-the-test")])


@contextlib.asynccontextmanager
async def session(address, transport, server="everything", **options):
    if transport == "sse":
        connected = sse_client(f"{address}/servers/{server}/sse", headers=relay.HEADERS)
    else:
        path = "mcp" if server is None else f"servers/{server}/mcp"
        connected = streamablehttp_client(f"{address}/{path}", headers=relay.HEADERS)
    async with connected as streams, ClientSession(streams[0], streams[1], **options) as made:
        await made.initialize()
        yield made


class Messages:
    """What a session is told, to wait for."""

    def __init__(self):
        self.seen = []
        self.news = asyncio.Condition()

    async def __call__(self, message):
        async with self.news:
            self.seen.append(getattr(message, "root", message))
            self.news.notify_all()

    async def until(self, kind):
        async with self.news:
            await self.news.wait_for(lambda: any(isinstance(one, kind) for one in self.seen))
        return next(one for one in self.seen if isinstance(one, kind))


class Client:
    transport = None

    @classmethod
    def setUpClass(cls):
        cls.address = cls.enterClassContext(relay.running())

    def run_with(self, use, **options):
        async def main():
            async with session(self.address, self.transport, **options) as made:
                await use(made)

        asyncio.run(asyncio.wait_for(main(), LIMIT))

    def test_tools_prompts_resources_and_progress(self):
        async def use(made):
            tools = await made.list_tools()
            self.assertIn("echo", [tool.name for tool in tools.tools])
            # A shared process is told that nobody answers.
            self.assertNotIn("trigger-sampling-request", [tool.name for tool in tools.tools])
            result = await made.call_tool("echo", {"message": "ä\u2028x"})
            self.assertEqual(result.content[0].text, "Echo: ä\u2028x")
            seen = []

            async def progressed(done, total, _message):
                seen.append((done, total))

            arguments = {"duration": 0.3, "steps": 3}
            name = "trigger-long-running-operation"
            await made.call_tool(name, arguments, progress_callback=progressed)
            self.assertEqual(seen, [(1, 3), (2, 3), (3, 3)])
            resources = await made.list_resources()
            read = await made.read_resource(resources.resources[0].uri)
            self.assertTrue(read.contents[0].text)
            self.assertTrue((await made.list_resource_templates()).resourceTemplates)
            prompt = await made.get_prompt("args-prompt", {"city": "Ulm"})
            self.assertIn("Ulm", prompt.messages[0].content.text)
            reference = types.PromptReference(type="ref/prompt", name="completable-prompt")
            argument = {"name": "department", "value": "E"}
            completed = await made.complete(reference, argument)
            self.assertIn("Engineering", completed.completion.values)
            with self.assertRaises(McpError):
                await made.read_resource("demo://nothing")

        self.run_with(use)

    def test_what_a_server_asks_is_answered_by_the_client_it_belongs_to(self):
        async def use(made):
            result = await made.call_tool("trigger-sampling-request", {"prompt": "p"})
            self.assertIn("sampled", result.content[0].text)
            result = await made.call_tool("trigger-elicitation-request", {})
            self.assertIn("Ada", str(result.content))
            result = await made.call_tool("get-roots-list", {})
            self.assertIn("file:///of-the-test", str(result.content))
            shown = relay.status(self.address)["everything"]
            self.assertEqual(shown["own_processes"], 1)

        self.run_with(
            use,
            sampling_callback=sampled,
            elicitation_callback=elicited,
            list_roots_callback=roots,
        )

        async def gone():
            while relay.status(self.address)["everything"]["own_processes"]:
                await asyncio.sleep(0.02)

        asyncio.run(asyncio.wait_for(gone(), LIMIT))

    def test_subscriptions_and_logs_reach_who_asked_for_them(self):
        told, other = Messages(), Messages()

        async def main():
            both = contextlib.AsyncExitStack()
            async with both:
                first = await both.enter_async_context(
                    session(self.address, self.transport, message_handler=told)
                )
                second = await both.enter_async_context(
                    session(self.address, self.transport, message_handler=other)
                )
                await first.set_logging_level("debug")
                await second.set_logging_level("emergency")
                uri = (await first.list_resources()).resources[0].uri
                await first.subscribe_resource(uri)
                await first.call_tool("toggle-subscriber-updates", {})
                try:
                    updated = await told.until(types.ResourceUpdatedNotification)
                    self.assertEqual(updated.params.uri, uri)
                    await first.unsubscribe_resource(uri)
                    # In the order of the line: what was told before is there by now.
                    await second.list_tools()
                finally:
                    await first.call_tool("toggle-subscriber-updates", {})
                kinds = [type(message) for message in other.seen]
                self.assertNotIn(types.ResourceUpdatedNotification, kinds)

        asyncio.run(asyncio.wait_for(main(), LIMIT))

    def test_a_cancelled_call_ends_and_the_session_goes_on(self):
        async def use(made):
            arguments = {"duration": 60, "steps": 2}
            name = "trigger-long-running-operation"
            call = asyncio.create_task(made.call_tool(name, arguments))
            while not relay.status(self.address)["everything"]["in_flight"]:
                await asyncio.sleep(0.02)
            # 1.x names its requests by counting; this is the one before the next.
            number = made._request_id - 1
            params = types.CancelledNotificationParams(requestId=number, reason="test")
            note = types.CancelledNotification(params=params)
            await made.send_notification(types.ClientNotification(note))
            while relay.status(self.address)["everything"]["in_flight"]:
                await asyncio.sleep(0.02)
            call.cancel()
            result = await made.call_tool("echo", {"message": "on"})
            self.assertEqual(result.content[0].text, "Echo: on")

        self.run_with(use)


class Sse(Client, unittest.TestCase):
    transport = "sse"


class Streamable(Client, unittest.TestCase):
    transport = "streamable"

    def test_all_servers_at_one_address(self):
        async def use(made):
            names = [tool.name for tool in (await made.list_tools()).tools]
            self.assertIn("everything__echo", names)
            self.assertIn("alone__echo", names)
            result = await made.call_tool("everything__get-sum", {"a": 2, "b": 3})
            self.assertIn("5", result.content[0].text)
            with self.assertRaises(McpError):
                await made.call_tool("nobody__echo", {})
            prompt = await made.get_prompt("everything__simple-prompt")
            self.assertTrue(prompt.messages)
            uri = (await made.list_resources()).resources[0].uri
            self.assertTrue((await made.read_resource(uri)).contents)

        self.run_with(use, server=None)

    def test_isolated_processes_are_one_a_session(self):
        async def use(made):
            result = await made.call_tool("echo", {"message": "x"})
            self.assertEqual(result.content[0].text, "Echo: x")
            self.assertEqual(relay.status(self.address)["alone"]["own_processes"], 1)

        self.run_with(use, server="alone")


if __name__ == "__main__":
    unittest.main()
