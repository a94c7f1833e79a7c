// @modelcontextprotocol/sdk 1.x, which most of today's clients are made with.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { drive, Keeper, options } from './flow.mjs';

const keeper = new Keeper();
const newTransport = () => new StreamableHTTPClientTransport(new URL(options.url), { authProvider: keeper });

await drive({
  keeper,
  connect: async () => {
    const client = new Client({ name: options.name, version: '1.0.0' });
    await client.connect(newTransport());
    return client;
  },
  finish: (params) => newTransport().finishAuth(params.get('code')),
  isUnauthorized: (err) => err instanceof UnauthorizedError,
});
