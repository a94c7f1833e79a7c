//go:build linux

package soak

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// keyedClient is one with a metadata document and a key (private_key_jwt).
type keyedClient struct {
	doc    *rig.Metadata
	signer *rig.Signer
}

func newKeyedClient(t *testing.T) *keyedClient {
	k := &keyedClient{rig.ServeMetadata(t, rig.ClientURI), rig.NewSigner(t, "one")}
	k.doc.Set("token_endpoint_auth_method", "private_key_jwt")
	k.doc.Set("jwks", map[string]any{"keys": []any{k.signer.Public()}})
	return k
}

// assertion is a fresh proof of the client, as pairs to add to a form.
func (s *soak) assertion() []string {
	proof := s.keyed.signer.Sign(rig.ClaimsOf(s.App, s.keyed.doc.ID))
	s.secrets.keep("assertion", proof)
	return []string{"client_assertion_type", rig.JWTBearer, "client_assertion", proof}
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
	tokens := s.MustTokens(t, s.Redeem(t, req, code, proof...))
	s.is(g, "live")
	s.keepTokens(tokens)
	s.Refresh(t, client, tokens.Refresh, proof...).Want(t, http.StatusUnauthorized, "invalid_client")
	tokens = s.MustTokens(t, s.Refresh(t, client, tokens.Refresh, s.assertion()...))
	s.is(g, "doubt")
	s.keepTokens(tokens)
	leave := rig.With(url.Values{"token": {tokens.Access}, "client_id": {client.ID}}, s.assertion())
	if r := s.PostForm(t, "/revoke", leave); r.Status != http.StatusOK {
		t.Fatalf("revoked: %d", r.Status)
	}
	s.is(g, "over")
}
