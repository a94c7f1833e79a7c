// @modelcontextprotocol/client 2.x. Its mode is "legacy" (2025-11-25, with
// sessions) or a revision to insist on.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { drive, Keeper, options } from './flow.mjs';

const keeper = new Keeper();
const mode = options.mode === 'legacy' ? 'legacy' : { pin: options.mode };
let waiting; // the transport that sent us to the browser: it knows the issuer to expect
const newTransport = () => (waiting = new StreamableHTTPClientTransport(new URL(options.url), { authProvider: keeper }));

await drive({
  keeper,
  connect: async () => {
    const client = new Client({ name: options.name, version: '1.0.0' }, { versionNegotiation: { mode } });
    await client.connect(newTransport());
    return client;
  },
  finish: (params) => waiting.finishAuth(params), // checks iss too
  isUnauthorized: (err) => err instanceof UnauthorizedError,
});
