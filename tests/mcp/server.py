"""A server with the official Python SDK over HTTP, for the relay to be a client of: 1.x and 2.x."""

import sys

from mcp.types import SamplingMessage, TextContent

try:
    from mcp.server.fastmcp import Context, FastMCP
except ImportError:
    from mcp.server.mcpserver import Context, MCPServer

transport, port = sys.argv[1], int(sys.argv[2])


def made():
    try:
        return FastMCP("elsewhere", host="127.0.0.1", port=port), {}
    except NameError:
        return MCPServer("elsewhere"), {"host": "127.0.0.1", "port": port}


server, where = made()


@server.tool()
async def echo(message: str) -> str:
    return f"Echo: {message}"


@server.tool()
async def steps(count: int, context: Context) -> str:
    for step in range(count):
        await context.report_progress(step + 1, count)
    return "done"


@server.tool()
async def think(question: str, context: Context) -> str:
    text = TextContent(type="text", text=question)
    message = SamplingMessage(role="user", content=text)
    result = await context.session.create_message(messages=[message], max_tokens=10)
    return f"thought {result.content.text}"


@server.tool()
async def change(context: Context) -> str:
    await context.session.send_tool_list_changed()
    return "told"


server.run(transport=transport, **where)
