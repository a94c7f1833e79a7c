// An MCP server on the official SDK with one tool that writes and one folder
// that is read by URI, to be mounted over stdin and stdout.
//
// usage: node reading.mjs FOLDER
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProtocolError, Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const folder = process.argv[2];

serveStdio(() => {
  const server = new Server({ name: 'reading', version: '1.0.0' }, { capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {} } });
  server.setRequestHandler('tools/list', () => ({ tools: [{ name: 'write', inputSchema: { type: 'object' } }] }));
  server.setRequestHandler('tools/call', ({ params }) => {
    appendFileSync(path.join(folder, 'written'), `${params.arguments?.path}\n`);
    return { content: [{ type: 'text', text: 'written' }] };
  });
  server.setRequestHandler('prompts/list', () => ({ prompts: [{ name: 'hello' }] }));
  server.setRequestHandler('resources/list', () => ({ resources: [] }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [{ name: 'files', uriTemplate: 'file:///X/public/{+path}' }] }));
  server.setRequestHandler('resources/read', ({ params }) => {
    try {
      const text = readFileSync(path.join(folder, fileURLToPath(new URL(params.uri))), 'utf8');
      return { contents: [{ uri: params.uri, text }] };
    } catch (err) {
      throw new ProtocolError(-32602, `Resource not found (${err.code})`);
    }
  });
  server.setRequestHandler('resources/subscribe', ({ params }) => {
    appendFileSync(path.join(folder, 'written'), `subscribed to ${params.uri}\n`);
    return {};
  });
  server.setRequestHandler('completion/complete', ({ params }) => {
    appendFileSync(path.join(folder, 'written'), `completed ${params.argument.value}\n`);
    return { completion: { values: ['a.txt'] } };
  });
  return server;
});
