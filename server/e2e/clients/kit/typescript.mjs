// A program made with a TypeScript SDK, as the kit drives it (kit_test.go).
//
// usage: node typescript.mjs '{"url":…,"redirectURI":…,"name":…,"sdk":"v1"|"v2","mode":"legacy"|REVISION}'
// Lines of JSON. In: {"do":"connect"|"call"|"whoami"}. Out: {"text":…} or {"error":…}, and
// before it, as often as somebody has to sign in, {"authorize":URL}, which waits
// for {"callback":URL}. After a sign-in the same connection goes on. With a "grant"
// nobody has to: see pageless.mjs.
import * as v2 from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import readline from 'node:readline';
import { browse, Keeper, options } from '../flow.mjs';
import { pageless } from './pageless.mjs';

const old = options.sdk === 'v1';
const Unauthorized = old ? UnauthorizedError : v2.UnauthorizedError;
const Transport = old ? StreamableHTTPClientTransport : v2.StreamableHTTPClientTransport;
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => console.log(JSON.stringify(message));
const hear = async () => {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
};

// What a host does that keeps tokens: forget what the SDK says is no good.
class Store extends Keeper {
  invalidateCredentials(what) {
    if (what === 'all' || what === 'client') this.client = undefined;
    if (what === 'all' || what === 'tokens') this.kept = undefined;
    if (what === 'all' || what === 'verifier') this.verifier = undefined;
    if (what === 'all' || what === 'discovery') this.discovered = undefined;
  }
}

const keeper = new Store();
let transport;
let client;

async function connect() {
  transport = new Transport(new URL(options.url), { authProvider: options.grant ? pageless() : keeper });
  const info = { name: options.name, version: '1.0.0' };
  client = old ? new Client(info)
    : new v2.Client(info, { versionNegotiation: { mode: options.mode === 'legacy' ? 'legacy' : { pin: options.mode } } });
  await client.connect(transport);
  return 'connected';
}

const commands = {
  connect,
  call: async () => (await client.callTool({ name: 'echo', arguments: { message: 'grüezi' } })).content[0].text,
  whoami: async () => JSON.stringify((await client.callTool({ name: 'whoami', arguments: {} })).structuredContent),
};

async function signIn() {
  const params = await browse(keeper, say, hear);
  await transport.finishAuth(old ? params.get('code') : params);
}

for (;;) {
  const command = await hear();
  try {
    let text;
    try {
      text = await commands[command.do]();
    } catch (err) {
      if (options.grant || !(err instanceof Unauthorized)) throw err;
      await signIn();
      text = await commands[command.do]();
    }
    say({ text });
  } catch (err) {
    say({ error: `${err.name}: ${err.message}` });
  }
}
