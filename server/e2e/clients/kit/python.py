"""A program made with a Python SDK or with FastMCP, as the kit drives it.

usage: python python.py '{"url":…,"redirectURI":…,"name":…,"library":"mcp"|"fastmcp","mode":"legacy"|"auto"}'
Lines of JSON, as in typescript.mjs, and "grant" as in pageless.py. FastMCP listens for its callback itself, and
says so: {"authorize":URL,"listens":true} waits for nothing.
"""

import asyncio
import json
import sys
import webbrowser
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlparse

options = json.loads(sys.argv[1])


def say(message):
    print(json.dumps(message), flush=True)


async def hear():
    line = await asyncio.to_thread(sys.stdin.readline)
    if not line:
        raise SystemExit
    return json.loads(line)


def reason(err):
    """The innermost errors of the groups that anyio makes."""
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    return f"{type(err).__name__}: {err}"


class Storage:
    """What a host keeps: the client and its tokens."""

    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def show(url):
    say({"authorize": url})


async def callback():
    query = parse_qs(urlparse((await hear())["callback"]).query)
    code, state, iss = (query.get(name, [None])[0] for name in ("code", "state", "iss"))
    try:
        from mcp.shared.auth import AuthorizationCodeResult
    except ImportError:
        return code, state
    return AuthorizationCodeResult(code=code, state=state, iss=iss)


def provider():
    if "grant" in options:
        from pageless import pageless

        return pageless(options, Storage())
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import OAuthClientMetadata

    metadata = OAuthClientMetadata(
        client_name=options["name"],
        redirect_uris=[options["redirectURI"]],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(options["url"], metadata, Storage(), show, callback)


async def connect_mcp1(stack):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    read, write, _ = await stack.enter_async_context(streamablehttp_client(options["url"], auth=provider()))
    session = await stack.enter_async_context(ClientSession(read, write))
    await session.initialize()
    return session


async def connect_mcp2(stack):
    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    http = await stack.enter_async_context(httpx2.AsyncClient(auth=provider(), follow_redirects=True, timeout=30))
    transport = streamable_http_client(options["url"], http_client=http)
    return await stack.enter_async_context(Client(transport, mode=options["mode"]))


async def connect_fastmcp(stack):
    from fastmcp import Client
    from fastmcp.client.auth import OAuth

    webbrowser.open = lambda url, *_, **__: say({"authorize": url, "listens": True}) or True
    return await stack.enter_async_context(Client(options["url"], auth=OAuth(options["url"], client_name=options["name"])))


def connector():
    if options["library"] == "fastmcp":
        return connect_fastmcp
    try:
        import mcp.client.client  # noqa: F401
    except ImportError:
        return connect_mcp1
    return connect_mcp2


async def main():
    client = None
    async with AsyncExitStack() as stack:
        while True:
            command = await hear()
            try:
                if command["do"] == "connect":
                    client = await connector()(stack)
                    say({"text": "connected"})
                elif command["do"] == "whoami":
                    result = await asyncio.wait_for(client.call_tool("whoami", {}), 15)
                    structured = getattr(result, "structured_content", None) or result.structuredContent
                    say({"text": json.dumps(structured)})
                else:
                    # FastMCP 2 waits for ever for an answer that was an error of HTTP.
                    result = await asyncio.wait_for(client.call_tool("echo", {"message": "grüezi"}), 15)
                    say({"text": result.content[0].text})
            except Exception as err:
                say({"error": reason(err)})


asyncio.run(main())
