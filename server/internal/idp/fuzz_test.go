package idp

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"encoding/json"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// scripted answers as a good provider does, but for one path. It notes where
// the client secret was sent.
type scripted struct {
	path, body string
	good       map[string]string
	leaked     string
}

const fuzzIssuer = "https://idp.example"

// fuzzNow and fuzzKey never change, so that a token found in one run of the
// fuzzer means the same in the next.
var (
	fuzzNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	fuzzKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
)

var goodAnswers = sync.OnceValue(func() map[string]string {
	f := &faulty{Server: &httptest.Server{URL: fuzzIssuer}}
	f.reset(fuzzIssuer)
	f.metadata["id_token_signing_alg_values_supported"] = []string{"EdDSA", "HS256", "none"}
	f.claims["iat"], f.claims["exp"] = fuzzNow.Unix(), fuzzNow.Add(time.Hour).Unix()
	f.response["id_token"] = signJWT(jose.EdDSA, fuzzKey, "1", f.claims)
	text := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	return map[string]string{
		"/.well-known/openid-configuration": text(f.metadata), "/token": text(f.response),
		"/jwks":     text(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: fuzzKey.Public(), KeyID: "1", Algorithm: "EdDSA", Use: "sig"}}}),
		"/userinfo": `{"sub":"ana","email":"ana@example.com"}`,
	}
})

func newScripted() *scripted { return &scripted{good: goodAnswers()} }

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := s.good[r.URL.Path]
	if r.URL.Path == s.path {
		body, ok = s.body, true
	}
	if (r.Header.Get("Authorization") != "" || r.Method == http.MethodPost) && r.URL.Scheme != "https" {
		s.leaked = r.URL.String()
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	if !ok {
		resp.StatusCode = http.StatusNotFound
	}
	resp.Body = io.NopCloser(strings.NewReader(body))
	return resp, nil
}

func (s *scripted) client() *Client {
	return New(Config{Issuer: fuzzIssuer, ClientID: clientID, ClientSecret: func(context.Context) (string, error) { return clientSecret, nil }, Scopes: []string{"openid", "email"},
		RedirectURI: "https://bridge.example/auth/callback", HTTPClient: &http.Client{Transport: s}, Now: func() time.Time { return fuzzNow }})
}

// told is what every failure must be: of our kind, and a sentence without what
// others chose to put into it.
func told(t *testing.T, err error) {
	t.Helper()
	var pe *oauth.ProviderError
	if !errors.As(err, &pe) || pe.Message == "" {
		t.Fatalf("failed with %v", err)
	}
	if strings.ContainsFunc(pe.Message, unicode.IsControl) || strings.Contains(pe.Error(), clientSecret) || strings.Contains(pe.Error(), theVerifier) {
		t.Errorf("says %q (%v)", pe.Message, pe.Err)
	}
}

// spoil fuzzes the provider's answer at path, and signs in and refreshes with it.
func spoil(f *testing.F, path string, seeds ...string) {
	for _, s := range append(seeds, newScripted().good[path], "", "[]", "null", "{", `{"a":`+strings.Repeat("[", 1000)) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newScripted()
		s.path, s.body = path, string(body)
		c := s.client()
		if address, err := c.AuthURL(t.Context(), oauth.UpstreamRequest{State: "s", Nonce: theNonce, Verifier: theVerifier}); err != nil {
			told(t, err)
		} else if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Query().Get("state") != "s" {
			t.Errorf("the browser is sent to %q", address)
		}
		up, err := c.Exchange(t.Context(), "upstream-code", oauth.UpstreamRequest{Verifier: theVerifier, Nonce: theNonce})
		if err != nil {
			told(t, err)
		} else if up.Identity.Subject != "ana" {
			t.Errorf("signed in: %+v", up.Identity)
		}
		up, err = c.Refresh(t.Context(), "rt-0", oauth.Identity{Issuer: fuzzIssuer, Subject: "ana"})
		if err != nil {
			told(t, err)
		} else if up.Identity.Subject != "ana" {
			t.Errorf("refreshed as %+v", up.Identity)
		}
		if err := c.Check(t.Context()); err != nil {
			told(t, err)
		}
		if s.leaked != "" {
			t.Errorf("the secret went to %q", s.leaked)
		}
	})
}

func FuzzDiscovery(f *testing.F) {
	spoil(f, "/.well-known/openid-configuration", `{"issuer":"https://idp.example","token_endpoint":"http://idp.example/token"}`,
		strings.Replace(newScripted().good["/.well-known/openid-configuration"], "https://idp.example/token", "http://evil.example/token", 1))
}

func FuzzJWKS(f *testing.F) {
	spoil(f, "/jwks", `{"keys":[{"kty":"oct","k":"AAAA","kid":"1","alg":"HS256"}]}`, `{"keys":[{"kty":"RSA","n":"","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},null]}`)
}

func FuzzUserinfo(f *testing.F) {
	spoil(f, "/userinfo", `{"sub":"bob"}`, `{"sub":"ana","groups":["admins"],"email_verified":"true"}`)
}

func FuzzTokenAnswer(f *testing.F) {
	spoil(f, "/token", `{"access_token":"x","token_type":"Bearer","id_token":"a.b.c","expires_in":"-1","scope":5}`, `access_token=x&token_type=bearer`)
}

// An ID token that the provider's key did not sign signs nobody in. What is
// taken is what was signed, however it is spelled.
func FuzzIDToken(f *testing.F) {
	var answer struct {
		IDToken string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(newScripted().good["/token"]), &answer); err != nil {
		f.Fatal(err)
	}
	good := answer.IDToken
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0." + parts[1] + ".")
	f.Add("eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ." + parts[1] + "." + parts[2])
	f.Add(`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`)
	f.Add(parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[2] + "." + parts[2])
	f.Fuzz(func(t *testing.T, raw string) {
		s := newScripted()
		body, _ := json.Marshal(map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": raw})
		s.path, s.body = "/token", string(body)
		up, err := s.client().Exchange(t.Context(), "upstream-code", oauth.UpstreamRequest{Verifier: theVerifier, Nonce: theNonce})
		if err != nil {
			told(t, err)
			return
		}
		if !strings.HasPrefix(raw, parts[0]+"."+parts[1]+".") && raw != good || up.Identity.Subject != "ana" {
			t.Errorf("%q signs in %+v", raw, up.Identity)
		}
	})
}
