// A client that does a list of things with one server and notes every message,
// so that two ways to the same server can be compared.
//
// usage: node client.mjs '{"sdk":"v1"|"v2","mode":"legacy"|REVISION,"url":URL|null,"command":…,"args":[…],"env":{…},"steps":[[METHOD,PARAMS],…]}'
// With a url it goes there, else it starts the command. It prints one line:
// [{"step":…,"in":[messages],"out":[messages]}], the answer of a step last.
import * as v2 from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const options = JSON.parse(process.argv[2]);
const old = options.sdk === 'v1';
const HTTP = old ? StreamableHTTPClientTransport : v2.StreamableHTTPClientTransport;
const Stdio = old ? StdioV1 : StdioV2;
const transport = options.url ? new HTTP(new URL(options.url))
  : new Stdio({ command: options.command, args: options.args, env: { ...process.env, ...options.env }, stderr: 'ignore' });

const story = [{ step: 'connect', in: [], out: [] }];
const send = transport.send.bind(transport);
transport.send = (message, more) => {
  story.at(-1).out.push(...[message].flat());
  return send(message, more);
};

const info = { name: 'comparer', version: '1.0.0' };
const capabilities = { sampling: {}, elicitation: { form: {} }, roots: { listChanged: true } };
const client = old ? new Client(info, { capabilities })
  : new v2.Client(info, { capabilities, versionNegotiation: { mode: options.mode === 'legacy' ? 'legacy' : { pin: options.mode } } });
const answer = (method, schema, value) => client.setRequestHandler(old ? schema : method, async () => value);
answer('sampling/createMessage', CreateMessageRequestSchema, { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled' } });
answer('elicitation/create', ElicitRequestSchema, { action: 'accept', content: { name: 'Ana', age: 41, check: true } });
answer('roots/list', ListRootsRequestSchema, { roots: [{ uri: 'file:///', name: 'everything' }] });

let take; // what the SDK last said shall have the messages
Object.defineProperty(transport, 'onmessage', {
  get: () => take,
  set: (next) => {
    take = next && ((message, extra) => {
      story.at(-1).in.push(message);
      next(message, extra);
    });
  },
});
await client.connect(transport);

const does = {
  'tools/list': (p) => client.listTools(p), 'prompts/list': (p) => client.listPrompts(p), 'resources/list': (p) => client.listResources(p),
  'resources/templates/list': (p) => client.listResourceTemplates(p), 'resources/read': (p) => client.readResource(p), 'prompts/get': (p) => client.getPrompt(p),
  'completion/complete': (p) => client.complete(p), 'logging/setLevel': (p) => client.setLoggingLevel(p.level),
  'tools/call': (p) => (old ? client.callTool(p, undefined, { onprogress: () => {}, timeout: 60000 }) : client.callTool(p, { onprogress: () => {}, timeout: 60000 })),
};
for (const [method, params] of options.steps) {
  story.push({ step: `${method} ${params.name ?? params.uri ?? params.ref?.name ?? params.ref?.uri ?? params.level ?? ''}`.trim(), in: [], out: [] });
  try {
    await does[method](params);
  } catch (err) {
    story.at(-1).error = err.message;
  }
}
console.log(JSON.stringify(story));
await client.close();
process.exit(0);
