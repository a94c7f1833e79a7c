// A server of the TypeScript SDK 2 that wants a sign-in of its own: its tokens
// are those of another authorization server, checked by that one's keys.
//
// usage: node typescript.mjs AS
// Prints {"url":…}. It ends when stdin does.
import http from 'node:http';
import { Readable } from 'node:stream';
import {
  createMcpHandler, getOAuthProtectedResourceMetadataUrl, McpServer, OAuthError, oauthMetadataResponse, requireBearerAuth,
} from '@modelcontextprotocol/server';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const issuer = process.argv[2];
const oauthMetadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(oauthMetadata.jwks_uri));

const server = http.createServer();
await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
const base = `http://localhost:${server.address().port}`;
const url = new URL('/mcp', base);

const verifier = {
  async verifyAccessToken(token) {
    const { payload } = await jwtVerify(token, keys, { issuer, audience: url.href }).catch((err) => { throw new OAuthError('invalid_token', err.message); });
    return { token, clientId: payload.client_id, scopes: payload.scope.split(' '), expiresAt: payload.exp, resource: new URL(url.href), extra: { sub: payload.sub } };
  },
};
const gate = requireBearerAuth({ verifier, requiredScopes: ['tools'], expectedResource: url, resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url) });

const handler = createMcpHandler(() => {
  const mcp = new McpServer({ name: 'typescript', version: '1.0.0' });
  mcp.registerTool('whose', { description: 'Says whose token came.', annotations: { readOnlyHint: true } }, (ctx) => ({ content: [{ type: 'text', text: `${ctx.http?.authInfo?.extra?.sub}` }] }));
  return mcp;
});

server.on('request', async (req, res) => {
  const request = new Request(base + req.url, { method: req.method, headers: req.headers, ...(req.method === 'POST' && { body: Readable.toWeb(req), duplex: 'half' }) });
  let answer = oauthMetadataResponse(request, { oauthMetadata, resourceServerUrl: url, scopesSupported: ['tools'], resourceName: 'A server in TypeScript' });
  if (!answer) {
    const authInfo = await gate(request);
    answer = authInfo instanceof Response ? authInfo : await handler.fetch(request, { authInfo });
  }
  res.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (answer.body) Readable.fromWeb(answer.body).pipe(res);
  else res.end();
});

console.log(JSON.stringify({ url: url.href }));
process.stdin.on('end', () => process.exit(0)).resume();
