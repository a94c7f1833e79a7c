package authserver

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// told is the owner's history, as far as a test looks at it.
type told struct{ events []status.Event }

func (h *told) Record(e status.Event) status.Event {
	e.ID = "e1"
	h.events = append(h.events, e)
	return e
}

// newRig is a fuzzRig for a test, with what it tells.
func newRig(t *testing.T, fetch http.RoundTripper) (*fuzzRig, *told, *bytes.Buffer) {
	t.Helper()
	r := &fuzzRig{fetch: fetch}
	if err := r.build(); err != nil {
		t.Fatal(err)
	}
	history, log := &told{}, &bytes.Buffer{}
	r.Recorder, r.Log = history, slog.New(slog.NewTextHandler(log, nil))
	return r, history, log
}

func TestARefusalIsToldOnce(t *testing.T) {
	challenge := "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	authorize := func(r *fuzzRig, with ...string) *http.Request {
		q := url.Values{"client_id": {r.client.ID}, "redirect_uri": {fuzzRedirect}, "response_type": {"code"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
		for i := 0; i < len(with); i += 2 {
			q.Set(with[i], with[i+1])
		}
		return request(http.MethodGet, "/authorize", q.Encode(), "")
	}
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name    string
		request func(*fuzzRig) *http.Request
		status  int
		event   string // "": none
		outcome string
		step    string // "": none
	}{
		{"an unknown client", func(r *fuzzRig) *http.Request { return authorize(r, "client_id", "dbc_x") }, 400, "client.refused", "refused", "authorize.unknown"},
		{"an unlisted redirect URI", func(r *fuzzRig) *http.Request { return authorize(r, "redirect_uri", "https://evil.example/cb") }, 400, "client.refused", "refused", "authorize.redirect"},
		{"a redirect URI of another client", func(r *fuzzRig) *http.Request { return authorize(r, "redirect_uri", "http://localhost:1/other") }, 400, "client.refused", "refused", "authorize.other"},
		{"no PKCE", func(r *fuzzRig) *http.Request { return authorize(r, "code_challenge", "") }, 302, "signin.refused", "refused", "authorize.pkce"},
		{"another resource", func(r *fuzzRig) *http.Request { return authorize(r, "resource", "https://evil.example/mcp") }, 302, "signin.refused", "refused", "authorize.resource"},
		{"a flow that is over", func(r *fuzzRig) *http.Request { return request(http.MethodGet, "/consent", "flow=gone", "") }, 400, "", "", ""},
		{"a flow of another browser", func(r *fuzzRig) *http.Request {
			return request(http.MethodGet, "/consent", "flow="+r.begun(t, "browser").ID, "")
		}, 403, "", "", "consent.browser"},
		{"an answer of the provider to nothing", func(r *fuzzRig) *http.Request { return request(http.MethodGet, "/auth/callback", "code=x&state=y", "") }, 400, "", "", "provider.late"},
		{"registration without redirect URIs", func(r *fuzzRig) *http.Request {
			return request(http.MethodPost, "/register", "", `{"client_name":"X"}`)
		}, 400, "client.refused", "refused", "registration.none"},
		{"registration of an unlisted redirect URI", func(r *fuzzRig) *http.Request {
			return request(http.MethodPost, "/register", "", `{"redirect_uris":["https://evil.example/cb"]}`)
		}, 400, "client.refused", "refused", "registration.redirect"},
		{"an unknown code", func(r *fuzzRig) *http.Request {
			return request(http.MethodPost, "/token", "", "grant_type=authorization_code&code=x&code_verifier="+fuzzVerifier+"&client_id="+r.client.ID, "Content-Type", form)
		}, 400, "token.refused", "refused", "token.unknown"},
		{"a token request of an unknown client", func(r *fuzzRig) *http.Request {
			return request(http.MethodPost, "/token", "", "grant_type=refresh_token&refresh_token=x&client_id=dbc_x", "Content-Type", form)
		}, 401, "token.refused", "refused", "token.invalid_client"},
		{"a code without its verifier", func(r *fuzzRig) *http.Request {
			return request(http.MethodPost, "/token", "", "grant_type=authorization_code&code="+r.code(t)+"&code_verifier="+strings.Repeat("v", 43)+"&client_id="+r.client.ID, "Content-Type", form)
		}, 400, "token.refused", "refused", "token.verifier"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, history, log := newRig(t, nil)
			seen := timeline.New(fuzzClock)
			req := c.request(r)
			history.events = nil
			mux := http.NewServeMux()
			for path, h := range map[string]http.HandlerFunc{"/authorize": r.Authorize, "GET /consent": r.Consent, "/auth/callback": r.Callback, "/register": r.Register, "/token": r.Token} {
				mux.HandleFunc(path, h)
			}
			w := httptest.NewRecorder()
			seen.Wrap(mux).ServeHTTP(w, req)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 {
				t.Errorf("%d lines in the log:\n%s", n, log)
			}
			event := status.Event{}
			for _, e := range history.events {
				event = e
			}
			if len(history.events) > 1 || event.Type != c.event || event.Outcome != c.outcome {
				t.Errorf("events %+v, want one %q %q", history.events, c.event, c.outcome)
			}
			step := ""
			for _, a := range seen.Attempts() {
				step = a.Steps[len(a.Steps)-1].Key
			}
			if step != c.step {
				t.Errorf("the timeline has %q, want %q", step, c.step)
			}
			if c.event != "" && c.status != 302 && strings.Contains(w.Header().Get("Content-Type"), "html") && !strings.Contains(w.Body.String(), "e1") {
				t.Error("the page does not name the event")
			}
		})
	}
}
