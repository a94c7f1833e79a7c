"""The providers of both Python SDKs for sign-ins without a page, as pageless.mjs says."""

import urllib.parse
import urllib.request
import json
import asyncio


def exchange(idp, audience, resource):
    """RFC 8693: an ID token for an ID-JAG, at the company's provider."""
    with urllib.request.urlopen(idp["issuer"] + "/.well-known/openid-configuration", timeout=30) as answer:
        endpoint = json.load(answer)["token_endpoint"]
    kind = "urn:ietf:params:oauth:token-type:"
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": kind + "id-jag",
        "subject_token": idp["idToken"],
        "subject_token_type": kind + "id_token",
        "audience": audience,
        "resource": resource,
        "client_id": idp["clientID"],
        "client_secret": idp["clientSecret"],
    }
    with urllib.request.urlopen(endpoint, urllib.parse.urlencode(form).encode(), timeout=30) as answer:
        return json.load(answer)["access_token"]


def pageless(options, storage):
    from mcp.client.auth.extensions import client_credentials as machine

    common = {"server_url": options["url"], "storage": storage, "client_id": options["clientID"], "issuer": options["issuer"]}
    if options["grant"] == "secret":
        method = options.get("method", "client_secret_basic")
        return machine.ClientCredentialsOAuthProvider(client_secret=options["clientSecret"], token_endpoint_auth_method=method, **common)
    if options["grant"] == "key":
        key = machine.SignedJWTParameters(issuer=options["clientID"], subject=options["clientID"], signing_key=options["key"])
        return machine.PrivateKeyJWTOAuthProvider(assertion_provider=key.create_assertion_provider(), **common)

    from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider

    async def assertion(audience, resource):
        return await asyncio.to_thread(exchange, options["idp"], audience, resource)

    method = options.get("method", "client_secret_post")
    return IdentityAssertionOAuthProvider(
        client_secret=options["clientSecret"], assertion_provider=assertion, token_endpoint_auth_method=method, **common
    )
