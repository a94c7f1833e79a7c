// Has the clients of both TypeScript SDKs list what it is given: a line
// {"method": …, "result": …} in, a line {"v1": "", "v2": "", "v2modern": ""} out,
// each empty or why that client threw the list away.
import { createInterface } from 'node:readline'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport as InMemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { Client as ClientV2, InMemoryTransport as InMemoryV2 } from '@modelcontextprotocol/client'

console.warn = console.debug = () => {} // Ajv says that it does not know a format

const capabilities = { tools: {}, prompts: {}, resources: {} }
const info = { name: 'server', version: '1' }
let result

async function connect(Client, Memory, options) {
  const [near, far] = Memory.createLinkedPair()
  far.onmessage = message => {
    if (message.id === undefined) return
    let answer = result
    if (message.method === 'initialize') answer = { protocolVersion: '2025-11-25', capabilities, serverInfo: info }
    if (message.method === 'server/discover') answer = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities, _meta: { 'io.modelcontextprotocol/serverInfo': info }, ttlMs: 0, cacheScope: 'private' }
    far.send({ jsonrpc: '2.0', id: message.id, result: JSON.parse(JSON.stringify(answer)) })
  }
  await far.start()
  const client = new Client({ name: 'judge', version: '1' }, options)
  await client.connect(near)
  return client
}

const calls = {
  'tools/list': client => client.listTools(),
  'prompts/list': client => client.listPrompts(),
  'resources/list': client => client.listResources(),
  'resources/templates/list': client => client.listResourceTemplates(),
  'tools/call': client => client.callTool({ name: 'x', arguments: {} }),
  'prompts/get': client => client.getPrompt({ name: 'x' }),
  'resources/read': client => client.readResource({ uri: 'x:y' }),
}

const clients = {
  v1: await connect(ClientV1, InMemoryV1),
  v2: await connect(ClientV2, InMemoryV2),
  v2modern: await connect(ClientV2, InMemoryV2, { versionNegotiation: { mode: { pin: '2026-07-28' } } }),
}

for await (const line of createInterface({ input: process.stdin })) {
  const { method, result: given } = JSON.parse(line)
  const verdict = {}
  for (const [name, client] of Object.entries(clients)) {
    result = name === 'v2modern' ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private', ...given } : given
    verdict[name] = await calls[method](client).then(() => '', error => String(error?.message ?? error).slice(0, 400))
  }
  console.log(JSON.stringify(verdict))
}
process.exit(0)
