// An MCP server that offers everything the official conformance suite asks for,
// to be mounted: over stdin and stdout, or over HTTP.
//
// usage: node conformance.mjs [http] [legacy]
//   http    listens on loopback and prints its URL; else stdin and stdout
//   legacy  speaks the revisions with sessions only; else those, and 2026-07-28
import http from 'node:http';
import { Readable } from 'node:stream';
import {
  createMcpHandler, isLegacyRequest, ProtocolError, Server,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { tools } from './conformance-tools.mjs';
import { prompts, readResource, resources, templates } from './conformance-data.mjs';

const flags = new Set(process.argv.slice(2));

// What changes is the same for every conversation.
const world = { extras: 0, tell: () => {} };

const list = (map) => Object.entries(map).map(([name, { call, ...rest }]) => ({ name, ...rest }));
const extras = (kind) => Array.from({ length: world.extras % 2 }, () => ({ name: `test_extra_${kind}`, description: `A ${kind} that comes and goes`, ...(kind === 'tool' && { inputSchema: { type: 'object' } }) }));

// newServer makes one conversation's server; era is "legacy" or "modern".
function newServer({ era }) {
  const server = new Server({ name: 'conformance-fixture', version: '1.0.0' }, {
    capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, completions: {}, logging: {} },
    instructions: 'A fixture for tests.',
    requestState: { verify: verifyState },
  });
  const handle = (method, handler) => server.setRequestHandler(method, handler);
  handle('tools/list', () => ({ tools: [...list(tools), ...extras('tool')] }));
  handle('tools/call', (request, ctx) => {
    const tool = tools[request.params.name];
    if (!tool) throw new ProtocolError(-32602, `Unknown tool: ${request.params.name}`);
    return tool.call(request.params.arguments ?? {}, { ...ctx.mcpReq, server, era, world });
  });
  handle('prompts/list', () => ({ prompts: [...list(prompts), ...extras('prompt')] }));
  handle('prompts/get', (request, ctx) => {
    const prompt = prompts[request.params.name];
    if (!prompt) throw new ProtocolError(-32602, `Unknown prompt: ${request.params.name}`);
    return prompt.call(request.params.arguments ?? {}, ctx.mcpReq);
  });
  handle('resources/list', () => ({ resources }));
  handle('resources/templates/list', () => ({ resourceTemplates: templates }));
  handle('resources/read', (request) => readResource(request.params.uri, era));
  handle('completion/complete', (request) => ({ completion: { values: ['paris', 'park', 'party'].filter((v) => v.startsWith(request.params.argument.value)) } }));
  if (era === 'legacy') {
    handle('resources/subscribe', () => ({}));
    handle('resources/unsubscribe', () => ({}));
  }
  live.add(server);
  server.onclose = () => live.delete(server);
  return server;
}

// requestState of this server ends in a word that it alone writes.
function verifyState(state) {
  if (!state.endsWith('.sealed')) throw new Error('tampered');
}

const live = new Set();

function tellAll(what) { // { list: "tools" } or { uri }
  for (const server of live) {
    const told = what.uri ? server.sendResourceUpdated({ uri: what.uri })
      : what.list === 'tools' ? server.sendToolListChanged() : server.sendPromptListChanged();
    told.catch(() => live.delete(server));
  }
}
world.tell = tellAll;

if (!flags.has('http')) {
  if (flags.has('legacy')) {
    await newServer({ era: 'legacy' }).connect(new StdioServerTransport());
  } else {
    serveStdio(newServer);
  }
} else {
  serveHTTP();
}

function serveHTTP() {
  const modern = createMcpHandler(newServer, { legacy: 'reject' });
  world.tell = (what) => {
    tellAll(what);
    if (what.uri) modern.notify.resourceUpdated(what.uri);
    else if (what.list === 'tools') modern.notify.toolsChanged();
    else modern.notify.promptsChanged();
  };
  const sessions = new Map();
  async function legacy(request) {
    const id = request.headers.get('mcp-session-id');
    if (id) return sessions.get(id)?.handleRequest(request) ?? new Response('no such session', { status: 404 });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (sid) => { sessions.set(sid, transport); },
      onsessionclosed: (sid) => { sessions.delete(sid); },
    });
    await newServer({ era: 'legacy' }).connect(transport);
    return transport.handleRequest(request);
  }
  const listener = http.createServer(async (req, res) => {
    const abort = new AbortController();
    res.on('close', () => abort.abort());
    const body = req.method === 'POST' ? Readable.toWeb(req) : undefined;
    const request = new Request(`http://${req.headers.host}${req.url}`, { method: req.method, headers: req.headers, body, duplex: 'half', signal: abort.signal });
    const old = flags.has('legacy') || (await isLegacyRequest(request.clone()));
    const response = await (old ? legacy(request) : modern.fetch(request));
    res.writeHead(response.status, Object.fromEntries(response.headers));
    if (!response.body) return res.end();
    return Readable.fromWeb(response.body).on('error', () => res.destroy()).pipe(res);
  });
  listener.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${listener.address().port}/mcp`));
  process.stdin.on('end', () => process.exit(0)).resume();
}
