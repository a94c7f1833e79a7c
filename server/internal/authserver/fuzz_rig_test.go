package authserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// fuzzRig is the real handlers on real grants, with a provider that lets
// everybody in and a disk that keeps nothing.
type fuzzRig struct {
	*Server
	grants *oauth.Grants
	client *oauth.Client
	other  *oauth.Client
	fetch  http.RoundTripper
	uses   int
}

const (
	fuzzIssuer   = "http://127.0.0.1:8000"
	fuzzRedirect = "https://client.example/cb?x=1"
	fuzzLoopback = "http://localhost:7777/callback"
	fuzzVerifier = "0123456789012345678901234567890123456789abc"
	fuzzDocument = "https://app.example/client.json"
)

var fuzzNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func fuzzClock() time.Time { return fuzzNow }

type nothing struct{}

func (nothing) Save([]oauth.Change, ...status.Event) error            { return nil }
func (nothing) Record(e status.Event) status.Event                    { return e }
func (nothing) Load(string, func(string, []byte) error) error         { return nil }
func (nothing) Revoke(context.Context, string) error                  { return nil }
func (nothing) Explain(code, description string) *oauth.ProviderError { return &oauth.ProviderError{} }
func (nothing) AuthURL(context.Context, oauth.UpstreamRequest) (string, error) {
	return "https://idp.example/authorize", nil
}
func (nothing) Exchange(context.Context, string, oauth.UpstreamRequest) (oauth.Upstream, error) {
	return fuzzPerson(), nil
}
func (nothing) Refresh(_ context.Context, rt string, prev oauth.Identity) (oauth.Upstream, error) {
	return oauth.Upstream{Identity: prev, RefreshToken: rt}, nil
}

func fuzzPerson() oauth.Upstream {
	return oauth.Upstream{Identity: oauth.Identity{Subject: "ana"}, RefreshToken: "upstream"}
}

func newFuzzRig(f *testing.F, fetch http.RoundTripper) *fuzzRig {
	f.Helper()
	r := &fuzzRig{fetch: fetch}
	if err := r.build(); err != nil {
		f.Fatal(err)
	}
	return r
}

func (r *fuzzRig) build() error {
	quiet := slog.New(slog.DiscardHandler)
	scopes := []string{"openid", "email", "offline_access"}
	grants, err := oauth.New(oauth.Options{DataKey: make([]byte, 32), Resources: []string{fuzzIssuer + "/mcp"}, Issuer: "https://idp.example", Scopes: scopes,
		Redirects: oauth.RedirectPolicy{URIs: []string{fuzzRedirect}, Loopback: true, Own: []string{"127.0.0.1:8000"}}, Access: oauth.AccessList{Anyone: true},
		AccessTTL: time.Hour, RefreshTTL: 24 * time.Hour, Provider: nothing{}, Saver: nothing{}, Recorder: nothing{}, Now: fuzzClock, Log: quiet}, nothing{})
	if err != nil {
		return err
	}
	r.grants = grants
	r.Server = New(Options{Issuer: fuzzIssuer, MCPURL: fuzzIssuer + "/mcp", Scopes: scopes, Grants: grants, Provider: nothing{},
		ProviderIssuer: "https://idp.example", Documents: NewDocuments(&http.Client{Transport: r.fetch}, fuzzClock), Recorder: nothing{}, Now: fuzzClock, Log: quiet})
	if r.client, _, err = grants.Register("Claude", []string{fuzzRedirect, fuzzLoopback}); err == nil {
		r.other, _, err = grants.Register("Other", []string{"http://localhost:6666/other"})
	}
	return err
}

// renew begins without grants now and then, since the fuzzer would fill
// the one there is.
func (r *fuzzRig) renew(t testing.TB) {
	if r.uses++; r.uses%5000 == 0 {
		if err := r.build(); err != nil {
			t.Fatal(err)
		}
	}
}

// begun is a sign-in that waits on the consent page of the browser "browser".
func (r *fuzzRig) begun(t testing.TB, browser string) *oauth.Flow {
	t.Helper()
	sum := sha256.Sum256([]byte(fuzzVerifier))
	flow, err := r.grants.Begin(oauth.BeginRequest{Client: r.client, RedirectURI: fuzzLoopback, ResponseType: "code", State: "s",
		Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), Method: "S256"})
	if err == nil {
		flow, err = r.grants.View(flow.ID, browser)
	}
	if err != nil {
		t.Fatal(err)
	}
	return flow
}

// code is an authorization code of r.client.
func (r *fuzzRig) code(t testing.TB) string {
	flow := r.begun(t, "browser")
	_, up, err := r.grants.Approve(flow.ID, "browser", flow.CSRF, false)
	if err == nil {
		flow, _, err = r.grants.Callback(up.State, "browser")
	}
	if err != nil {
		t.Fatal(err)
	}
	code, err := r.grants.Complete(flow, fuzzPerson())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func (r *fuzzRig) tokens(t testing.TB) oauth.Tokens {
	tokens, err := r.grants.Redeem(oauth.TokenRequest{ClientID: r.client.ID, Code: r.code(t), Verifier: fuzzVerifier})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// works reports whether an access token opens the MCP URL.
func (r *fuzzRig) works(tokens oauth.Tokens) bool {
	_, _, err := r.grants.Authenticate(tokens.Access, fuzzIssuer+"/mcp", "")
	return err == nil
}

// answered is what every answer to strangers must be, whatever they sent: no
// fault of ours, nothing that ends a header, no markup of theirs.
func answered(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		t.Fatalf("answered %d: %s", w.Code, w.Body)
	}
	for name, values := range w.Header() {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
			t.Errorf("header %s: %q", name, values)
		}
	}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && bytes.Contains(bytes.ToLower(w.Body.Bytes()), []byte("<script")) {
		t.Errorf("a page with a script: %s", w.Body)
	}
}

// request is a request as net/http would hand it over; nil if it would not.
func request(method, path, query, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.URL.RawQuery = query
	r.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.ContainsAny(headers[i+1], "\r\n\x00") {
			return nil
		}
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

// served answers every fetch with one body.
type served struct{ body, cacheControl string }

func (s *served) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {s.cacheControl}},
		Body: io.NopCloser(strings.NewReader(s.body))}, nil
}
