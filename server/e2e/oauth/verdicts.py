"""FastMCP's check of assertions, as its token endpoint calls it.

usage: python verdicts.py ISSUER BASE_URL CLIENT_ID MCP_URL
A line of JSON in, an assertion; a line out: {"refused": REASON}, "" if it is taken.
"""

import asyncio
import json
import logging
import sys

from fastmcp.server.auth.identity_assertion import IdentityAssertion, IdentityAssertionError, IdentityAssertionValidator

logging.disable(logging.CRITICAL)
issuer, base, client, resource = sys.argv[1:5]


async def main():
    validator = IdentityAssertionValidator(IdentityAssertion(trusted_issuers=[issuer]), base)
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            await validator.validate(json.loads(line), client_id=client, resource_url=resource)
            refused = ""
        except IdentityAssertionError as err:
            refused = str(err)
        except Exception as err:  # its endpoint would answer 500
            refused = f"{type(err).__name__}: {err}"
        print(json.dumps({"refused": refused}), flush=True)


asyncio.run(main())
