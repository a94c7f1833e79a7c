"""Has the client of the Python SDK judge results, as judge.mjs does."""
import json
import sys

from mcp_types.methods import parse_server_result

for line in sys.stdin:
    given = json.loads(line)
    verdict = {}
    for version in ("2025-11-25", "2026-07-28"):
        result = dict(given["result"])
        if version == "2026-07-28":
            result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        try:
            # As a transport reads it: from text.
            import pydantic_core
            parse_server_result(given["method"], version, pydantic_core.from_json(json.dumps(result, ensure_ascii=False)))
            verdict["python " + version] = ""
        except Exception as error:
            verdict["python " + version] = str(error)[:400] or repr(error)
    print(json.dumps(verdict), flush=True)
