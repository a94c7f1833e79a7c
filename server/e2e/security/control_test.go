package security

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// controlPaths is all of the control side, with the method of each.
var controlPaths = map[string]string{
	"/api/status": "GET", "/api/sessions": "GET", "/api/clients": "GET", "/api/events": "GET", "/api/events/follow": "GET",
	"/api/revoke": "POST", "/api/revoke-all": "POST", "/api/pause": "POST", "/api/resume": "POST", "/api/doctor": "POST",
}

// It handles a program of another user on this machine: it has no key, an old
// one, or a wrong one, in every place where one could be put.
func TestSecControlWithoutKey(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	old := rig.ReadControlFile(t, app)
	app.Stop()
	if _, err := os.Stat(filepath.Join(app.Options.DataDir, "control.json")); !os.IsNotExist(err) {
		t.Error("control.json stays after a stop")
	}
	app.Start()
	c := rig.ReadControlFile(t, app)
	if c.Key == old.Key || len(c.Key) < 43 {
		t.Error("the key is not made anew at each start")
	}
	for path, method := range controlPaths {
		for name, headers := range map[string][]string{
			"no key": nil, "an old key": {"Authorization", "Bearer " + old.Key}, "an empty key": {"Authorization", "Bearer "},
			"the key as Basic": {"Authorization", "Basic " + c.Key}, "half of the key": {"Authorization", "Bearer " + c.Key[:20]},
			"an access token": {"Authorization", "Bearer " + tokens.Access}, "a cookie": {"Cookie", "key=" + c.Key},
		} {
			if r := c.Send(t, method, path, `{"id":"x"}`, headers...); r.Status != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d", path, name, r.Status)
			}
		}
		if r := c.Send(t, method, path+"?key="+c.Key, ""); r.Status != http.StatusUnauthorized {
			t.Errorf("%s with the key in the URL: %d", path, r.Status)
		}
	}
	app.MustWorkWith(t, tokens.Access) // nobody revoked or paused anything
	for name, want := range map[string]os.FileMode{"control.json": 0o600, "state.db": 0o600} {
		info, err := os.Stat(filepath.Join(app.Options.DataDir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v (%v)", name, info.Mode(), want, err)
		}
	}
}

// It handles a web page that this machine's person visits: of another site, of
// another port here, framed, or by DNS rebinding; also one that knows the key.
func TestSecControlFromWebPage(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	c := rig.ReadControlFile(t, app)
	for name, headers := range map[string][]string{
		"another site":      {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
		"its Origin only":   {"Origin", "https://evil.example"},
		"no Origin":         {"Sec-Fetch-Site", "cross-site"},
		"a sandboxed frame": {"Origin", "null"},
		"another port":      {"Origin", app.URL, "Sec-Fetch-Site", "same-site"},
		"a rebound name":    {"Host", "evil.example"},
		"a rebound name, its origin": {"Host", "evil.example" + c.URL[strings.LastIndex(c.URL, ":"):],
			"Origin", "http://evil.example" + c.URL[strings.LastIndex(c.URL, ":"):], "Sec-Fetch-Site", "same-origin"},
		"a name that ends in ours": {"Host", "localhost.evil.example"},
		"a trailing dot":           {"Host", "localhost."},
		"no port":                  {"Host", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			for path, method := range controlPaths {
				r := c.Send(t, method, path, `{"id":"x"}`, append(headers, "Authorization", "Bearer "+c.Key)...)
				if r.Status != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s: %d", path, r.Status)
				}
			}
			for _, path := range []string{"/", "/prove?nonce=" + strings.Repeat("A", 43)} {
				if r := c.Send(t, "GET", path, "", headers...); r.Status != http.StatusForbidden {
					t.Errorf("%s: %d", path, r.Status)
				}
			}
			preflight := c.Send(t, http.MethodOptions, "/api/revoke-all", "", append(headers, "Access-Control-Request-Method", "POST")...)
			if preflight.Status < 400 || preflight.Header.Get("Access-Control-Allow-Origin") != "" || preflight.Header.Get("Access-Control-Allow-Headers") != "" {
				t.Errorf("preflight: %d", preflight.Status)
			}
		})
	}
	app.MustWorkWith(t, tokens.Access)
	if r := c.Get(t, "/api/status"); r.Status != http.StatusOK || r.Header.Get("Content-Security-Policy") == "" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the owner gets %d", r.Status)
	}
}

// It handles who asks one listener for what the other serves, by path, Host or
// header.
func TestSecTwoListeners(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	c := rig.ReadControlFile(t, app)
	host := strings.TrimPrefix(c.URL, "http://")
	for path, method := range controlPaths {
		if r := app.Do(t, method, path, nil, "Authorization", "Bearer "+c.Key); r.Status != http.StatusNotFound {
			t.Errorf("public %s: %d", path, r.Status)
		}
		if r := app.Do(t, method, path, nil, "Authorization", "Bearer "+c.Key, "Host", host); r.Status != http.StatusForbidden {
			t.Errorf("public %s under the control side's name: %d", path, r.Status)
		}
		if r := app.Do(t, method, path, nil, "Authorization", "Bearer "+c.Key, "X-Forwarded-Host", host, "X-Original-URL", path); r.Status != http.StatusNotFound {
			t.Errorf("public %s with forwarding headers: %d", path, r.Status)
		}
	}
	if r := app.Get(t, "/prove?nonce="+strings.Repeat("A", 43)); r.Status != http.StatusNotFound {
		t.Errorf("public /prove: %d", r.Status)
	}
	for _, path := range []string{"/mcp", "/token", "/register", "/authorize", "/consent", "/health", "/.well-known/oauth-authorization-server"} {
		for _, key := range []string{c.Key, tokens.Access} {
			r := c.Send(t, "POST", path, "{}", "Authorization", "Bearer "+key)
			// Pages are read; one that is none is unknown, also to who has no token.
			if !slices.Contains([]int{401, 404, 405}, r.Status) {
				t.Errorf("control %s: %d", path, r.Status)
			}
		}
	}
	for _, target := range []string{app.URL + "/api/status", c.URL + "/api/status"} { // absolute-form (RFC 9112 §3.2.2)
		w := rig.DialWire(t, app.URL)
		w.Send("GET " + target + " HTTP/1.1\nHost: HOST\nAuthorization: Bearer " + c.Key + "\n\n")
		if r := w.Answer(rig.IOTime); r == nil || r.Status < 400 {
			t.Errorf("%s: %+v", target, r)
		}
	}
}

// It handles a large body at the control side.
func TestSecControlLargeBody(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	c := rig.ReadControlFile(t, app)
	body := io.MultiReader(strings.NewReader(`{"id":"`), io.LimitReader(zeros{}, 1<<20))
	r := (&rig.App{URL: c.URL}).Do(t, "POST", "/api/revoke", body, "Authorization", "Bearer "+c.Key)
	if r.Status < 400 {
		t.Errorf("answered %d", r.Status)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
