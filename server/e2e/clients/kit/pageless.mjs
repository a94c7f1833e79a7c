// The providers of both TypeScript SDKs for sign-ins without a page. options.grant:
//   xaa      the company's provider vouches for a person (v2 alone has it)
//   secret   the client acts for itself, by its secret
//   key      the same, by a key (options.key, PEM)
// clientID, clientSecret and issuer are those at Drawbridge; idp is the provider's
// side of xaa: {issuer, clientID, clientSecret, idToken}.
import * as v2 from '@modelcontextprotocol/client';
import * as v1 from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { options } from '../flow.mjs';

const sdk = options.sdk === 'v1' ? v1 : v2;
const { clientID: clientId, clientSecret, idp, issuer: expectedIssuer } = options;

const grants = {
  xaa: () => new v2.CrossAppAccessProvider({
    clientId, clientSecret, expectedIssuer,
    assertion: async ({ authorizationServerUrl, resourceUrl, scope, fetchFn }) => (await v2.discoverAndRequestJwtAuthGrant({
      idpUrl: idp.issuer, audience: authorizationServerUrl, resource: resourceUrl, idToken: idp.idToken,
      clientId: idp.clientID, clientSecret: idp.clientSecret, scope, fetchFn,
    })).jwtAuthGrant,
  }),
  secret: () => new sdk.ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer }),
  key: () => new sdk.PrivateKeyJwtProvider({ clientId, privateKey: options.key, algorithm: 'RS256', expectedIssuer }),
};

export const pageless = () => grants[options.grant]();
