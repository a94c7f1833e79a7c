// What every scripted client does, whichever SDK it is made with: connect, be
// sent to the browser, come back, call the three tools, and call again until
// its access token has run out and was refreshed.
//
// It talks lines of JSON with the test. Out: {"authorize":URL}, then for each
// line in, one line out. In: {"callback":URL} or
// {"do":"call"|"untilRefreshed"|"signInAgain"}.
import { randomUUID } from 'node:crypto';
import readline from 'node:readline';

export const options = JSON.parse(process.argv[2]); // url, redirectURI, metadataURL, mode
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => console.log(JSON.stringify(message));
const hear = async () => {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
};

// Keeper is the OAuthClientProvider of both SDKs, in memory.
export class Keeper {
  saves = 0; // how often tokens were stored: 1 after the sign-in

  constructor() {
    if (options.metadataURL) this.clientMetadataUrl = options.metadataURL;
  }

  get redirectUrl() { return options.redirectURI; }

  get clientMetadata() {
    return {
      client_name: options.name, redirect_uris: [options.redirectURI], token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    };
  }

  state() { return (this.sentState = randomUUID()); }

  clientInformation() { return this.client; }

  saveClientInformation(client) { this.client = client; }

  tokens() { return this.kept; }

  saveTokens(tokens) { this.kept = tokens; this.saves += 1; }

  saveCodeVerifier(verifier) { this.verifier = verifier; }

  codeVerifier() { return this.verifier; }

  // what the server says is worth nothing any more
  invalidateCredentials(scope) {
    if (scope === 'all' || scope === 'tokens') this.kept = undefined;
    if (scope === 'all' || scope === 'client') this.client = undefined;
  }

  // v2 asks for what it discovered before the redirect, to check iss by it
  saveDiscoveryState(discovered) { this.discovered = discovered; }

  discoveryState() { return this.discovered; }

  redirectToAuthorization(url) { this.authorize = url.href; }
}

// browse has somebody sign in, and returns what the callback says. A connection's
// stream may ask for a sign-in of its own meanwhile, which takes the place of the one
// before, as in the hosts that these SDKs are made for: the newest counts.
export async function browse(keeper, say, hear) {
  for (;;) {
    const asked = keeper.authorize;
    say({ authorize: asked });
    const { searchParams } = new URL((await hear()).callback);
    if (searchParams.get('state') !== new URL(asked).searchParams.get('state')) throw new Error('another state came back');
    if (searchParams.get('state') === keeper.sentState) return searchParams;
    while (keeper.authorize === asked) await new Promise((later) => { setTimeout(later, 20); });
  }
}

// drive runs the conversation. connect() returns a connected client, or throws
// what isUnauthorized knows; finish(URLSearchParams) redeems the code.
export async function drive({ keeper, connect, finish, isUnauthorized }) {
  let client;
  try {
    await connect();
    throw new Error('connected without signing in');
  } catch (err) {
    if (!isUnauthorized(err)) throw err;
  }
  const signIn = async () => {
    await finish(await browse(keeper, say, hear));
  };
  await signIn();
  client = await connect();
  say({ signedIn: true, clientID: keeper.client?.client_id, scope: keeper.kept.scope, refreshable: Boolean(keeper.kept.refresh_token) });

  for (;;) {
    const before = keeper.saves;
    const command = await hear();
    if (command.do === 'signInAgain') { // on the connection as it stands
      await callAll(client).catch((err) => { if (!isUnauthorized(err)) throw err; });
      await signIn();
    }
    let calls = await callAll(client);
    while (command.do === 'untilRefreshed' && keeper.saves === before) {
      await new Promise((later) => { setTimeout(later, 50); });
      calls = await callAll(client);
    }
    say({ ...calls, refreshed: keeper.saves - before, protocol: client.getNegotiatedProtocolVersion?.() });
  }
}

async function callAll(client) {
  const { tools } = await client.listTools();
  const text = async (name, args) => (await client.callTool({ name, arguments: args })).content[0].text;
  return {
    tools: tools.map((tool) => tool.name).sort(),
    echo: await text('echo', { message: 'grüezi' }),
    add: await text('add', { a: 19, b: 23 }),
    whoami: (await client.callTool({ name: 'whoami', arguments: {} })).structuredContent,
  };
}
