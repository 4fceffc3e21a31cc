"""An echo server with the official SDK, over its pipe."""

from mcp.server.fastmcp import FastMCP

server = FastMCP("echo", log_level="ERROR")


@server.tool(structured_output=False)
async def echo(text: str) -> str:
    return text


server.run()
