"""Servers in Python that want a sign-in of their own, in one process:

  oidcproxy  FastMCP 4, OIDCProxy before the OpenID provider (ISSUER)
  remote     FastMCP 4, RemoteAuthProvider: tokens are those of another
             authorization server (AS), checked by its keys
  split      the Python SDK's example: a server, and its authorization server
             on another port; tokens live an hour and can't be refreshed
  legacy     the same in one, as of 2025-03-26: no resource metadata

usage: python.py ISSUER CLIENT_ID CLIENT_SECRET AS SECONDS
  SECONDS  how long a token of oidcproxy lives
Prints {"oidcproxy": URL, ...}. A line {"do": "revoke"} on stdin makes all tokens
of the example worthless, and those of oidcproxy that it has given so far."""

import asyncio
import json
import logging
import socket
import sys
import threading

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.oidc_proxy import OIDCProxy
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token
from key_value.aio.stores.memory import MemoryStore
from pydantic import AnyHttpUrl

from mcp_simple_auth import auth_server, legacy_as_server
from mcp_simple_auth import server as resource_server
from mcp_simple_auth.simple_auth_provider import SimpleAuthSettings, SimpleOAuthProvider

issuer, client_id, client_secret, foreign, seconds = sys.argv[1:]
logging.basicConfig(stream=sys.stderr, level=logging.INFO)


def listen() -> tuple[socket.socket, str]:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    s.listen(64)
    return s, f"http://localhost:{s.getsockname()[1]}"


providers = []  # of the example, to be told to forget
known = SimpleOAuthProvider.__init__


def remember(self, *args, **kwargs):
    known(self, *args, **kwargs)
    providers.append(self)


SimpleOAuthProvider.__init__ = remember
apps, urls = [], {}


def tools(server: FastMCP) -> FastMCP:
    @server.tool(annotations={"readOnlyHint": True})
    def whose() -> str:
        """Says whose token came."""
        claims = get_access_token().claims
        return f"{claims.get('email') or claims.get('sub')}"

    return server


store = MemoryStore()
s, base = listen()
proxy = OIDCProxy(config_url=f"{issuer}/.well-known/openid-configuration", client_id=client_id, client_secret=client_secret,
    base_url=base, client_storage=store, required_scopes=["openid", "email"], valid_scopes=["openid", "email", "offline_access"], verify_id_token=True, forward_resource=False, fastmcp_access_token_expiry_seconds=int(seconds))
apps.append((s, tools(FastMCP("oidcproxy", auth=proxy)).http_app(path="/mcp")))
urls["oidcproxy"] = f"{base}/mcp"

s, base = listen()
verifier = JWTVerifier(jwks_uri=f"{foreign}/keys", issuer=foreign, audience=f"{base}/mcp", required_scopes=["tools"])
apps.append((s, tools(FastMCP("remote", auth=RemoteAuthProvider(token_verifier=verifier, authorization_servers=[AnyHttpUrl(foreign)], base_url=base))).http_app(path="/mcp")))
urls["remote"] = f"{base}/mcp"

a, auth_base = listen()
s, base = listen()
apps.append((a, auth_server.create_authorization_server(auth_server.AuthServerSettings(server_url=AnyHttpUrl(auth_base), auth_callback_path=f"{auth_base}/login"), SimpleAuthSettings())))
apps.append((s, resource_server.create_resource_server(resource_server.ResourceServerSettings(server_url=AnyHttpUrl(f"{base}/mcp"), auth_server_url=AnyHttpUrl(auth_base),
    auth_server_introspection_endpoint=f"{auth_base}/introspect", oauth_strict=True)).streamable_http_app()))
urls["split"] = f"{base}/mcp"

s, base = listen()
apps.append((s, legacy_as_server.create_simple_mcp_server(legacy_as_server.ServerSettings(server_url=AnyHttpUrl(base), auth_callback_path=f"{base}/login"), SimpleAuthSettings()).streamable_http_app()))
urls["legacy"] = f"{base}/mcp"


async def revoke() -> None:
    for p in providers:
        p.tokens.clear()
    for collection in store._cache.values():  # what OIDCProxy knows of tokens and clients
        for key in collection.keys():
            collection.delete(key)


async def main() -> None:
    loop = asyncio.get_running_loop()
    servers = [(s, uvicorn.Server(uvicorn.Config(app, log_level="info", access_log=False, lifespan="on"))) for s, app in apps]

    def commands() -> None:
        for line in sys.stdin:
            if json.loads(line)["do"] == "revoke":
                asyncio.run_coroutine_threadsafe(revoke(), loop).result()
            print("{}", flush=True)
        for _, server in servers:
            server.should_exit = True

    tasks = [asyncio.create_task(server.serve(sockets=[s])) for s, server in servers]
    while not all(server.started for _, server in servers):
        await asyncio.sleep(0.01)
    print(json.dumps(urls), flush=True)
    threading.Thread(target=commands, daemon=True).start()
    await asyncio.gather(*tasks)


asyncio.run(main())
