// A real client, of either SDK, that does what the test says.
//
// usage: node caller.mjs '{"url":…,"redirectURI":…,"name":…,"sdk":"v1"|"v2","mode":"legacy"|REVISION}'
// It talks lines of JSON with the test. Out: {"authorize":URL}; in:
// {"callback":URL}; then for each {"do":…} in, one {"result":…} or {"error":…}.
import readline from 'node:readline';
import * as v2 from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema, ToolListChangedNotificationSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Keeper, options } from '../clients/flow.mjs';

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => console.log(JSON.stringify(message));
const hear = async () => {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
};

const keeper = new Keeper();
const old = options.sdk === 'v1';
const Unauthorized = old ? UnauthorizedError : v2.UnauthorizedError;
const Transport = old ? StreamableHTTPClientTransport : v2.StreamableHTTPClientTransport;
const newTransport = () => new Transport(new URL(options.url), { authProvider: keeper });
const heard = { logs: [], progress: [], changed: 0, updated: [] };

// connect returns a client that answers whatever it is asked; its roots are the
// whole disk.
async function connect(transport) {
  const info = { name: options.name, version: '1.0.0' };
  const capabilities = { sampling: {}, elicitation: {}, roots: { listChanged: true } };
  const client = old ? new Client(info, { capabilities })
    : new v2.Client(info, { capabilities, versionNegotiation: { mode: options.mode === 'legacy' ? 'legacy' : { pin: options.mode } } });
  const answer = (method, schema, value) => client.setRequestHandler(old ? schema : method, async () => value);
  answer('sampling/createMessage', CreateMessageRequestSchema, { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled' } });
  answer('elicitation/create', ElicitRequestSchema, { action: 'accept', content: { name: 'Ana', username: 'ana', email: 'a@example.com' } });
  answer('roots/list', ListRootsRequestSchema, { roots: [{ uri: 'file:///', name: 'everything' }] });
  const notice = (method, schema, take) => client.setNotificationHandler(old ? schema : method, async (n) => take(n.params));
  notice('notifications/message', LoggingMessageNotificationSchema, (p) => heard.logs.push(p.data));
  notice('notifications/tools/list_changed', ToolListChangedNotificationSchema, () => { heard.changed += 1; });
  notice('notifications/resources/updated', ResourceUpdatedNotificationSchema, (p) => heard.updated.push(p.uri));
  await client.connect(transport);
  return client;
}

const commands = {
  list: async (client, { what }) => {
    const { list, field } = { tools: { list: 'listTools', field: 'tools' }, prompts: { list: 'listPrompts', field: 'prompts' }, resources: { list: 'listResources', field: 'resources' }, templates: { list: 'listResourceTemplates', field: 'resourceTemplates' } }[what];
    return (await client[list]())[field].map((it) => it.uri ?? it.uriTemplate ?? it.name);
  },
  call: async (client, { name, arguments: args }) => {
    heard.progress = [];
    const params = { name, arguments: args ?? {} };
    const more = { onprogress: (p) => heard.progress.push(p.progress), timeout: 30000 };
    const result = await (old ? client.callTool(params, undefined, more) : client.callTool(params, more));
    return { text: result.content.map((c) => c.text ?? c.type).join('\n'), isError: result.isError ?? false, progress: heard.progress };
  },
  read: async (client, { uri }) => (await client.readResource({ uri })).contents[0].text,
  prompt: async (client, { name, arguments: args }) => (await client.getPrompt({ name, arguments: args })).messages[0].content.text,
  complete: async (client, { ref, argument }) => (await client.complete({ ref, argument })).completion.values,
  level: async (client, { level }) => { await client.setLoggingLevel(level); return 'ok'; },
  subscribe: async (client, { uri }) => { await client.subscribeResource({ uri }); return 'ok'; },
  rootsChanged: async (client) => { await client.sendRootsListChanged(); return 'ok'; },
  heard: async () => heard,
};

const first = newTransport();
try {
  await connect(first);
  throw new Error('connected without signing in');
} catch (err) {
  if (!(err instanceof Unauthorized)) throw err;
}
say({ authorize: keeper.authorize });
const { searchParams } = new URL((await hear()).callback);
await first.finishAuth(old ? searchParams.get('code') : searchParams);
const client = await connect(newTransport());
say({ result: client.getNegotiatedProtocolVersion?.() ?? '' });
for (;;) {
  const command = await hear();
  try {
    say({ result: await commands[command.do](client, command) });
  } catch (err) {
    say({ error: err.message, code: err.code });
  }
}
