"""A server's port behind TLS, with a certificate of an authority made for the test."""

import asyncio
import contextlib
import ssl

import trustme


class Authority:
    """Its certificate is what a relay is told to trust."""

    def __init__(self):
        self.made = trustme.CA()

    def write(self, path):
        self.made.cert_pem.write_to_path(str(path))

    @contextlib.asynccontextmanager
    async def guarding(self, port):
        """The port of a door that speaks TLS as `localhost` and leads to `port`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.made.issue_cert("localhost").configure_cert(context)

        async def pass_on(reader, writer):
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def serve(reader, writer):
            try:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.close()
                return
            # Connections that are still open end with the loop.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

        door = await asyncio.start_server(serve, "localhost", 0, ssl=context)
        try:
            yield door.sockets[0].getsockname()[1]
        finally:
            door.close()
