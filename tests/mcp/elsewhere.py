"""Servers elsewhere: those of the official SDKs behind the relay, each over its own transports."""

import asyncio
import atexit
import contextlib
import logging
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import unittest

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client

import relay
from guarded import Authority
from v1 import Messages, elicited, roots, sampled

# What the SDK's client says of streams that end with it.
logging.getLogger("mcp").setLevel(logging.CRITICAL)
HERE = pathlib.Path(__file__).parent
SECOND = HERE / "../../target/venv-mcp-2/bin/python"
LIMIT = 300


# Below those that the system hands out by itself: until the server has it, nobody gets it.
PORTS = iter(random.sample(range(15_000, 32_000), 1000))


def free_port():
    for port in PORTS:
        # Tells other tests that it is taken, as long as this process lives; see tests/lib.rs.
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        atexit.register(mark.close)
        with contextlib.suppress(OSError):
            mark.bind(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)):
                return port


class Server:
    """One that runs at a port, and may be started again there."""

    def __init__(self, *command):
        self.port = free_port()
        self.command = [str(word).replace("PORT", str(self.port)) for word in command]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PORT": str(self.port)},
        )

    def stop(self):
        self.process.kill()
        self.process.wait()

    async def until_listens(self):
        while True:
            assert self.process.poll() is None, f"{self.command} ended"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            await asyncio.sleep(0.05)


SERVERS = {
    "first": (Server(sys.executable, HERE / "server.py", "streamable-http", "PORT"), "mcp"),
    "first-old": (Server(sys.executable, HERE / "server.py", "sse", "PORT"), "sse"),
    "second": (Server(SECOND, HERE / "server.py", "streamable-http", "PORT"), "mcp"),
    "second-old": (Server(SECOND, HERE / "server.py", "sse", "PORT"), "sse"),
    "everything": (Server("node", relay.SERVER, "streamableHttp"), "mcp"),
}
PYTHON = [name for name in SERVERS if name != "everything"]


class Elsewhere(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for server, _ in SERVERS.values():
            server.start()
            cls.addClassCleanup(server.stop)
        entries = {
            name: {"url": f"http://127.0.0.1:{server.port}/{path}"}
            for name, (server, path) in SERVERS.items()
        }
        cls.address = cls.enterClassContext(relay.running(entries))

        async def all_listen():
            await asyncio.gather(*(server.until_listens() for server, _ in SERVERS.values()))

        asyncio.run(asyncio.wait_for(all_listen(), LIMIT))

    @contextlib.asynccontextmanager
    async def session(self, name, address=None, **options):
        address = f"{address or self.address}/servers/{name}/mcp"
        connected = streamablehttp_client(address, headers=relay.HEADERS)
        async with connected as streams, ClientSession(*streams[:2], **options) as made:
            await made.initialize()
            yield made

    def run_limited(self, work):
        asyncio.run(asyncio.wait_for(work, LIMIT))

    def test_calls_and_progress(self):
        async def use(name):
            async with self.session(name) as made:
                result = await made.call_tool("echo", {"message": "ä\u2028x"})
                self.assertEqual(result.content[0].text, "Echo: ä\u2028x", name)
                if name == "everything":
                    return
                seen = []

                async def progressed(done, _total, _message):
                    seen.append(done)

                await made.call_tool("steps", {"count": 3}, progress_callback=progressed)
                self.assertEqual(seen, [1, 2, 3], name)

        async def main():
            await asyncio.gather(*(use(name) for name in SERVERS))

        self.run_limited(main())

    def test_questions_of_the_server(self):
        async def use(name):
            async with self.session(name, sampling_callback=sampled) as made:
                result = await made.call_tool("think", {"question": "q"})
                self.assertEqual(result.content[0].text, "thought sampled q", name)

        async def main():
            await asyncio.gather(*(use(name) for name in PYTHON))
            options = {"elicitation_callback": elicited, "list_roots_callback": roots}
            async with self.session("everything", sampling_callback=sampled, **options) as made:
                result = await made.call_tool("trigger-sampling-request", {"prompt": "p"})
                self.assertIn("sampled", str(result.content))
                result = await made.call_tool("trigger-elicitation-request", {})
                self.assertIn("Ada", str(result.content))
                result = await made.call_tool("get-roots-list", {})
                self.assertIn("file:///of-the-test", str(result.content))

        self.run_limited(main())

    def test_what_the_server_says_by_itself(self):
        async def use(name):
            told = Messages()
            async with self.session(name, message_handler=told) as made:
                await made.call_tool("change", {})
                await told.until(types.ToolListChangedNotification)

        async def main():
            await asyncio.gather(*(use(name) for name in PYTHON))
            told = Messages()
            async with self.session("everything", message_handler=told) as made:
                uri = (await made.list_resources()).resources[0].uri
                await made.subscribe_resource(uri)
                await made.call_tool("toggle-subscriber-updates", {})
                updated = await told.until(types.ResourceUpdatedNotification)
                self.assertEqual(updated.params.uri, uri)
                await made.call_tool("toggle-subscriber-updates", {})

        self.run_limited(main())

    def test_a_server_that_is_started_anew(self):
        async def use(name):
            server, _ = SERVERS[name]
            async with self.session(name) as made:
                await made.call_tool("echo", {"message": "before"})
                server.stop()
                server.start()
                await server.until_listens()
                while True:
                    # The older transport may still have its broken stream.
                    with contextlib.suppress(Exception):
                        result = await made.call_tool("echo", {"message": "after"})
                        break
                    await asyncio.sleep(0.05)
                self.assertEqual(result.content[0].text, "Echo: after", name)

        async def main():
            await asyncio.gather(*(use(name) for name in SERVERS))

        self.run_limited(main())

    def test_https_is_spoken_to_those_whom_the_machine_trusts(self):
        async def main():
            server, path = SERVERS["first"]
            known, stranger = Authority(), Authority()
            async with contextlib.AsyncExitStack() as stack:
                certificates = stack.enter_context(tempfile.NamedTemporaryFile())
                known.write(certificates.name)
                doors = {
                    "known": await stack.enter_async_context(known.guarding(server.port)),
                    "stranger": await stack.enter_async_context(stranger.guarding(server.port)),
                }
                entries = {
                    name: {"url": f"https://localhost:{port}/{path}"}
                    for name, port in doors.items()
                }
                running = relay.running(entries, SSL_CERT_FILE=certificates.name)
                address = await asyncio.to_thread(stack.enter_context, running)
                async with self.session("known", address) as made:
                    result = await made.call_tool("echo", {"message": "over TLS"})
                    self.assertEqual(result.content[0].text, "Echo: over TLS")
                with self.assertRaises(Exception) as refused:
                    async with self.session("stranger", address):
                        pass
                self.assertNotIsInstance(refused.exception, AssertionError)
                stands = await asyncio.to_thread(relay.status, address)
                self.assertIn("certificate", stands["stranger"]["problem"])

        self.run_limited(main())

    def test_z_no_session_is_left(self):
        async def main():
            while any(line["sessions"] for line in relay.status(self.address).values()):
                await asyncio.sleep(0.05)

        self.run_limited(main())


if __name__ == "__main__":
    unittest.main()
