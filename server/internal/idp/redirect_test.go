package idp

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// The provider's answer is not followed: it would reach our own callback as if
// somebody had signed in.
func TestCheckRedirect(t *testing.T) {
	reached := 0
	own := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer own.Close()
	redirect := own.URL + "/auth/callback"
	for _, c := range []struct {
		name     string
		location string
		status   int
		body     string
		want     RedirectKnown
		says     string // of the error
	}{
		{"somebody who has to sign in", redirect + "?error=login_required", 302, "", RedirectYes, ""},
		{"somebody who is signed in", redirect + "?code=x", 303, "", RedirectYes, ""},
		{"a scope that is not there", redirect + "?error=invalid_scope", 302, "", RedirectYes, "scope"},
		{"a redirect URI that begins like ours", redirect + ".evil.example/?error=login_required", 302, "", RedirectUntold, ""},
		{"a page", "", 200, "<html>sign in", RedirectUntold, ""},
		{"a sign-in elsewhere", "https://login.example/", 302, "", RedirectUntold, ""},
		{"an error page", "", 400, "redirect_uri", RedirectRefused, "Add " + redirect},
		{"an outage", "", 503, "", RedirectUntold, "problem of its own"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) { cfg.RedirectURI = redirect })
			r.f.handle["/authorize"] = func(w http.ResponseWriter, req *http.Request) {
				if q := req.URL.Query(); q.Get("prompt") != "none" || q.Get("redirect_uri") != redirect {
					t.Errorf("asked %v", q)
				}
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}
			got, err := r.CheckRedirect(t.Context())
			if got != c.want || (err != nil) != (c.says != "") {
				t.Errorf("got %d, %v", got, err)
			}
			if err != nil {
				kind := misconfigured
				if c.status == 503 {
					kind = unreachable
				}
				wantError(t, err, kind, c.says)
			}
		})
	}
	if reached > 0 {
		t.Errorf("our callback was reached %d times", reached)
	}
}
