// An OpenID provider that nobody of Drawbridge wrote (npm oidc-provider), set up
// like Okta in one of two shapes:
//
//   custom  a custom authorization server: issuer /oauth2/default, endpoints
//           under /v1, RS256 access tokens of type at+jwt for one audience,
//           groups in id_token, access token and userinfo
//   org     the org authorization server: issuer without a path, endpoints
//           under /oauth2/v1, opaque access tokens, groups in the id_token only
//
// or like what hosted MCP servers have:
//
//   open    whoever comes may register; tokens are for the resource asked for,
//           and live for as many seconds as the second argument says
//
// All rotate refresh tokens and end the whole sign-in when an old one returns.
// Like Okta, and unlike oidc-provider as it comes, there is no consent page and
// each sign-in is a grant of its own. A second client, the requesting app, gets
// assertions (exchange.mjs).
//
// usage: node provider.mjs custom|org|open [SECONDS]
// Prints {"issuer":…} when it listens, then answers each line of JSON on stdin
// with one on stdout. It ends when stdin does.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';
import readline from 'node:readline';
import Provider from 'oidc-provider';
import { store, Adapter } from './adapter.mjs';
import { exchanges, tokenExchange } from './exchange.mjs';

const org = process.argv[2] === 'org';
const open = process.argv[2] === 'open';
const lifetime = Number(process.argv[3] ?? 3600);
const path = org || open ? '' : '/oauth2/default';
const v1 = open ? '' : org ? '/oauth2/v1' : '/v1';
const audience = 'https://mcp.example.com';
const apiScopes = `openid profile email groups offline_access${open ? ' tools' : ''}`;
const client = {
  client_id: '0oaDrawbridge', client_secret: 'okta-like-client-secret-of-some-length', redirect_uris: ['http://127.0.0.1/none'],
  grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'client_secret_basic',
};
const requesting = {
  ...client, client_id: '0oaRequesting', redirect_uris: ['http://localhost:7777/callback'], application_type: 'native',
  grant_types: ['authorization_code', tokenExchange], token_endpoint_auth_method: 'client_secret_post',
};
const at = {}; // issuer of a resource app → the requesting app's id there

const users = {
  alice: { email: 'alice@example.com', email_verified: true, name: 'Alice', groups: ['everyone', 'admins'], active: true },
  bob: { email: 'bob@example.com', email_verified: true, name: 'Bob', groups: ['everyone'], active: true },
};
const seen = { requests: {}, revoked: 0, refreshed: 0 };
let mode = 'ok'; // or "down": every answer is 503

const account = (sub) => (users[sub]?.active ? {
  accountId: sub,
  claims: (use) => {
    const { email, email_verified, name, groups } = users[sub];
    return { sub, email, email_verified, name, preferred_username: email, ...(org && use === 'userinfo' ? {} : { groups }) };
  },
} : undefined);

// ownGrant gives each sign-in everything it asks for, without a page.
async function ownGrant(ctx) {
  const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
  grant.addOIDCScope(apiScopes);
  grant.addResourceScope(open ? ctx.oidc.params.resource : audience, apiScopes);
  await grant.save();
  return grant;
}

function makeProvider(issuer) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = randomUUID();
  const provider = new Provider(issuer, {
    adapter: Adapter,
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid }] },
    cookies: { keys: ['only for tests'] },
    scopes: apiScopes.split(' '),
    claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    // oidc-provider gives offline_access only after a consent page
    issueRefreshToken: async () => true,
    loadExistingGrant: ownGrant,
    ttl: { AccessToken: lifetime, IdToken: 3600, AuthorizationCode: 60, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600 },
    routes: {
      authorization: `${v1}/authorize`, token: `${v1}/token`, jwks: `${v1}/keys`, userinfo: `${v1}/userinfo`,
      revocation: `${v1}/revoke`, introspection: `${v1}/introspect`, end_session: `${v1}/logout`,
    },
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: open },
      revocation: { enabled: true, allowedPolicy: async (_ctx, who, token) => token.clientId === who.clientId },
      resourceIndicators: org ? { enabled: false } : {
        enabled: true, defaultResource: () => (open ? undefined : audience), useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => ({ scope: apiScopes, audience: open ? resource : audience, accessTokenFormat: 'jwt', accessTokenTTL: lifetime, jwt: { sign: { alg: 'RS256' } } }),
      },
    },
    renderError: async (ctx, { error }) => { ctx.type = 'html'; ctx.body = `<!doctype html><title>${error}</title><p>${error}`; },
    findAccount: async (_ctx, sub) => account(sub),
    extraTokenClaims: async (_ctx, token) => (org ? undefined : {
      ver: 1, cid: token.clientId, uid: token.accountId, scp: [...(token.scopes ?? [])], groups: users[token.accountId]?.groups,
    }),
  });
  provider.on('server_error', (_ctx, err) => console.error(err));
  provider.on('grant.success', (ctx) => { if (ctx.oidc.params.grant_type === 'refresh_token') seen.refreshed += 1; });
  exchanges(provider, { privateKey, kid, account, at });
  return provider.callback();
}

const server = http.createServer();
await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
const issuer = `http://localhost:${server.address().port}${path}`;
store.set('Client', client.client_id, client);
store.set('Client', requesting.client_id, requesting);
let answer = makeProvider(issuer);

server.on('request', (req, res) => {
  const route = req.url.split('?')[0].slice(path.length);
  seen.requests[route] = (seen.requests[route] ?? 0) + 1;
  if (mode === 'down' || !req.url.startsWith(`${path}/`)) {
    res.writeHead(mode === 'down' ? 503 : 404).end();
    return;
  }
  if (route === `${v1}/revoke`) res.on('finish', () => { if (res.statusCode === 200) seen.revoked += 1; });
  req.originalUrl = req.url; // from it oidc-provider works out where it is mounted
  req.url = req.url.slice(path.length);
  answer(req, res);
});

const commands = {
  redirect: ({ uri }) => { store.set('Client', client.client_id, { ...client, redirect_uris: [uri] }); answer = makeProvider(issuer); },
  resourceApp: ({ issuer: resource, client: known }) => { at[resource] = known; },
  user: ({ name, set }) => { Object.assign(users[name], set); },
  mode: ({ value }) => { mode = value; },
  forget: () => { store.forget(); },
  rotateKeys: () => { answer = makeProvider(issuer); },
  state: () => ({ ...seen, live: store.liveRefreshTokens() }),
};

console.log(JSON.stringify({ issuer, audience: org || open ? '' : audience, clientID: client.client_id, clientSecret: client.client_secret }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  console.log(JSON.stringify(commands[command.do](command) ?? {}));
}
process.exit(0);
