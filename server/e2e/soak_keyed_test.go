//go:build linux

package e2e

import (
	"net/http"
	"net/url"
	"testing"
)

// keyedClient is one with a metadata document and a key (private_key_jwt).
type keyedClient struct {
	doc    *Metadata
	signer *signer
}

func newKeyedClient(t *testing.T) *keyedClient {
	k := &keyedClient{ServeMetadata(t, clientURI), newSigner(t, "one")}
	k.doc.Set("token_endpoint_auth_method", "private_key_jwt")
	k.doc.Set("jwks", map[string]any{"keys": []any{k.signer.public()}})
	return k
}

// assertion is a fresh proof of the client, as pairs to add to a form.
func (s *soak) assertion() []string {
	proof := s.keyed.signer.sign(claimsOf(s.App, s.keyed.doc.ID))
	s.secrets.keep("assertion", proof)
	return []string{"client_assertion_type", jwtBearer, "client_assertion", proof}
}

// prove is the story of a client that proves who it is: it signs in, presents
// one proof twice, and leaves.
func (s *soak) prove(t testing.TB) {
	client := s.keyed.doc.Client()
	b, req := s.browser(t), s.NewAuthRequest(client)
	s.secrets.keep("verifier", req.Verifier)
	defer s.trail(b)
	code := s.Code(t, b, req, "alice")
	g, proof := s.began(client), s.assertion()
	tokens := s.mustTokens(t, s.Redeem(t, req, code, proof...))
	s.is(g, "live")
	s.keepTokens(tokens)
	s.Refresh(t, client, tokens.Refresh, proof...).want(t, http.StatusUnauthorized, "invalid_client")
	tokens = s.mustTokens(t, s.Refresh(t, client, tokens.Refresh, s.assertion()...))
	s.is(g, "doubt")
	s.keepTokens(tokens)
	leave := with(url.Values{"token": {tokens.Access}, "client_id": {client.ID}}, s.assertion())
	if r := s.PostForm(t, "/revoke", leave); r.Status != http.StatusOK {
		t.Fatalf("revoked: %d", r.Status)
	}
	s.is(g, "over")
}
