"""One server that asks, logs, reports progress and has resources and prompts,
made with the library that its argument names: "mcp" (Python SDK 1 or 2) or
"fastmcp" (2 or 4). It speaks stdio."""

import sys

from pydantic import BaseModel

if sys.argv[1] == "fastmcp":
    from fastmcp import Context, FastMCP as Server
else:
    try:
        from mcp.server.mcpserver import Context, MCPServer as Server
    except ImportError:
        from mcp.server.fastmcp import Context, FastMCP as Server

server = Server("compare", instructions="What both libraries can do.")


class Person(BaseModel):
    name: str
    age: int


@server.tool()
def person(name: str, age: int = 7) -> Person:
    """Structured content, with an output schema."""
    return Person(name=name, age=age)


@server.tool()
def fails(why: str) -> str:
    """An error of the tool."""
    raise ValueError(why)


@server.tool()
async def asks(ctx: Context) -> str:
    """Asks the person for a name."""
    answer = await ctx.elicit("Who are you?", Person)
    return f"{answer.action}: {getattr(answer, 'data', None)}"


@server.tool()
async def tells(ctx: Context) -> str:
    """Logs, and says how far it is."""
    await ctx.info("one")
    await ctx.report_progress(1, 2, "half")
    await ctx.warning("two")
    await ctx.report_progress(2, 2, "all")
    return "told"


@server.resource("note://one")
def note() -> str:
    """A fixed resource."""
    return "grüezi"


@server.resource("note://by/{name}")
def named(name: str) -> str:
    """A template."""
    return f"grüezi {name}"


@server.prompt()
def greet(name: str) -> str:
    """A prompt with an argument."""
    return f"Say hello to {name}"


server.run()
