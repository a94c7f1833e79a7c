// A legacy server of stdin and stdout whose lists and results are what its
// argument says, valid or not: {"tools/list": [RESULT, …], …}.
import { createInterface } from 'node:readline';

const says = JSON.parse(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const say = (answer) => console.log(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
  if (method === 'initialize') {
    say({ result: { protocolVersion: '2025-11-25', capabilities: { tools: {}, prompts: {}, resources: {} }, serverInfo: { name: 'odd', version: '1' } } });
  } else if (method === 'tools/call') {
    say({ result: says[params.name] ?? { content: [{ type: 'text', text: 'called' }] } });
  } else if (method in says) {
    say({ result: says[method] });
  } else {
    say({ error: { code: -32601, message: 'Method not found' } });
  }
}
