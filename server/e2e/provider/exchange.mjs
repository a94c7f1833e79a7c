// What Okta calls Cross App Access, for oidc-provider, which has no such grant: an
// ID token of the requesting app is exchanged for an ID-JAG (RFC 8693;
// draft-ietf-oauth-identity-assertion-authz-grant §4.3). Client authentication, the
// ID token's check and the keys are oidc-provider's; what is in the assertion, and
// under which id the app is known at the resource app, is what an administrator
// would enter at Okta.
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { errors } from 'oidc-provider';

const type = (name) => `urn:ietf:params:oauth:token-type:${name}`;
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';

// at is how the resource apps know the requesting app, by their issuer.
export function exchanges(provider, { privateKey, kid, account, at }) {
  provider.registerGrantType(tokenExchange, async (ctx) => {
    const { params, client } = ctx.oidc;
    if (params.requested_token_type !== type('id-jag') || params.subject_token_type !== type('id_token')) throw new errors.InvalidRequest('only an id_token for an id-jag');
    const known = at[params.audience];
    if (!known) throw new errors.InvalidTarget('no resource app has this issuer');
    let subject;
    try {
      ({ payload: { sub: subject } } = await provider.IdToken.validate(params.subject_token, client));
    } catch (err) {
      throw new errors.InvalidGrant(err.message);
    }
    const who = account(subject);
    if (!who) throw new errors.InvalidGrant('not assigned');
    const claims = { ...who.claims('id_token'), client_id: known, resource: params.resource, scope: params.scope };
    const assertion = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, typ: 'oauth-id-jag+jwt' })
      .setIssuer(provider.issuer).setAudience(params.audience).setJti(randomUUID()).setIssuedAt().setExpirationTime('5m').sign(privateKey);
    ctx.body = { access_token: assertion, issued_token_type: type('id-jag'), token_type: 'N_A', expires_in: 300, scope: params.scope };
  }, ['requested_token_type', 'subject_token', 'subject_token_type', 'audience', 'resource', 'scope']);
}
