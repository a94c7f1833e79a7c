//go:build programs

package programs

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// secure serves h by https on localhost, which Claude Code insists on.
func secure(t *testing.T, h http.Handler) (address string) {
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{rig.Certificate().Pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

// startCompany starts a provider that exchanges ID tokens for assertions (RFC 8693).
func startCompany(t *testing.T) (issuer string, idToken func(client string) string) {
	signer := rig.NewSigner(t, "one")
	says := func(audience string, more map[string]any) map[string]any {
		now := time.Now().Unix()
		claims := map[string]any{"iss": issuer, "sub": "00u1alice", "email": "alice@example.com", "aud": audience, "iat": now, "exp": now + 290}
		for name, value := range more {
			claims[name] = value
		}
		return claims
	}
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{signer.Public()}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		const kind = "urn:ietf:params:oauth:token-type:"
		if r.PostFormValue("requested_token_type") != kind+"id-jag" || r.PostFormValue("client_secret") != "at the company" {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		answer(w, map[string]any{"issued_token_type": kind + "id-jag", "token_type": "N_A", "expires_in": 290,
			"access_token": signer.Sign(says(r.PostFormValue("audience"), map[string]any{"client_id": r.PostFormValue("client_id"), "resource": r.PostFormValue("resource"),
				"jti": rand.Text()}), "typ", "oauth-id-jag+jwt")})
	})
	issuer = secure(t, mux)
	return issuer, func(client string) string { return signer.Sign(says(client, nil)) }
}

// Claude Code signs in without a page, by its own XAA: it calls, is revoked and
// blocked, says so, and comes back when the block is lifted.
func TestProgramsWithoutAPage(t *testing.T) {
	c := programs[slices.IndexFunc(programs, func(c program) bool { return strings.HasPrefix(c.name, "Claude Code") })]
	t.Run(c.name, func(t *testing.T) {
		issuer, idToken := startCompany(t)
		var p *person
		public := secure(t, &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: p.app.Config.Listen})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		}})
		file := filepath.Join(t.TempDir(), "ca.pem")
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rig.Certificate().Pair.Certificate[0]})
		var made struct {
			Client status.Client
			Secret string
		}
		env := c.env
		c.env = func(p *person) []string {
			p.app.CommandJSON(t, &made, "client", "add", "Claude Code", "--json")
			return append(env(p), "CLAUDE_CODE_ENABLE_XAA=1", "NODE_EXTRA_CA_CERTS="+file, "MCP_XAA_IDP_CLIENT_SECRET=at the company", "MCP_CLIENT_SECRET="+made.Secret)
		}
		if err := os.WriteFile(file, ca, 0o600); err != nil {
			t.Fatal(err)
		}
		p = newPerson(t, c, func(cfg *config.Config) {
			cfg.PublicURL, cfg.Tunnel.Provider, cfg.Network.CAFile, cfg.IDP.Issuer = public, config.TunnelNone, file, issuer
			cfg.Enterprise.Enabled = true
		})
		signIn := []string{"claude", "mcp", "login", "--no-browser", "drawbridge"}
		for _, args := range [][]string{
			{"claude", "mcp", "xaa", "setup", "--issuer", issuer, "--client-id", made.Client.ID, "--client-secret"},
			{"claude", "mcp", "xaa", "login", "--id-token", idToken(made.Client.ID)},
			{"claude", "mcp", "add", "--scope", "user", "--transport", "http", "--xaa", "--client-id", made.Client.ID, "--client-secret", "drawbridge", "{url}"},
		} {
			if out, code := p.start(args).Wait(); code != 0 {
				t.Fatalf("%v: exit code %d: %s", args[:4], code, tail(out))
			}
		}
		p.command(t, signIn)
		p.mustCall(t, c, nil, nil)
		list := p.app.Sessions(t)
		if len(list) != 1 || list[0].Through != status.Enterprise || list[0].User.Email != "alice@example.com" || list[0].Client.Name != "Claude Code" {
			t.Fatalf("sessions: %+v", list)
		}
		p.app.RevokeSession(t, list[0].ID)
		if out := p.command(t, signIn); !strings.Contains(out, "has revoked this session") || len(p.app.Sessions(t)) != 0 {
			t.Errorf("while blocked: %s", tail(out))
		}
		if _, code := p.app.Command("sessions", "unblock", list[0].ID); code != 0 {
			t.Fatalf("sessions unblock: exit code %d", code)
		}
		p.command(t, signIn)
		p.mustCall(t, c, nil)
		if opened, err := os.ReadFile(p.urls); err != nil || len(opened) > 0 {
			t.Errorf("it opened a page: %s %v", opened, err)
		}
	})
}
