"""An MCP server for tests: progress, questions to the person, words of a model."""

import asyncio

from mcp.server.fastmcp import Context, FastMCP
from mcp.types import SamplingMessage, TextContent
from pydantic import BaseModel

server = FastMCP("asker")
calls = 0


class Colour(BaseModel):
    colour: str


@server.tool()
async def slow(steps: int, context: Context) -> str:
    """Takes a while, and says how far it is."""
    for step in range(steps):
        await context.report_progress(step + 1, steps, f"step {step + 1}")
        await asyncio.sleep(0.2)
    return "slowly done"


@server.tool()
async def ask(context: Context) -> str:
    """Asks the person for a colour."""
    answer = await context.elicit("Which colour?", Colour)
    return f"{answer.action}: {answer.data.colour if answer.action == 'accept' else None}"


@server.tool()
async def think(context: Context) -> str:
    """Has a model think."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text="What is six times seven?"))
    answer = await context.session.create_message([message], max_tokens=10)
    return f"It says {answer.content.text}"


@server.tool()
def count() -> str:
    """Answers something else each time."""
    global calls
    calls += 1
    return f"call {calls}"


server.run()
