//go:build linux

package tunnel

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound/proxytest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	companyHost   = "idp.company.test"
	proxyPassword = "p4ssword-of-the-proxy"
)

// island is a network namespace with no way out but one neighbour.
type island struct{ name, neighbour string }

// newIsland makes one until t ends. It takes root and iproute2.
func newIsland(t *testing.T) island {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		rig.Missing(t, "root and ip (iproute2)")
	}
	n := os.Getpid() % 60000
	net := fmt.Sprintf("10.213.%d", n%250)
	i := island{fmt.Sprintf("db%d", n), fmt.Sprintf("%s.%d", net, n/250%60*4+1)}
	here, there := fmt.Sprintf("dh%d", n), fmt.Sprintf("dn%d", n)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", i.name).Run() })
	for _, args := range [][]string{
		{"netns", "add", i.name}, {"link", "add", here, "type", "veth", "peer", "name", there, "netns", i.name},
		{"addr", "add", i.neighbour + "/30", "dev", here}, {"link", "set", here, "up"},
		{"-n", i.name, "addr", "add", fmt.Sprintf("%s.%d/30", net, n/250%60*4+2), "dev", there},
		{"-n", i.name, "link", "set", there, "up"}, {"-n", i.name, "link", "set", "lo", "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	return i
}

// run starts the program on the island.
func (i island) run(t *testing.T, env []string, args ...string) *rig.Script {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return rig.StartProcess(t, env, "ip", append([]string{"netns", "exec", i.name, path}, args...)...)
}

// companyProvider is an OpenID provider that signs ana in without a page.
func companyProvider(t *testing.T, e *edge.Edge) (address string) {
	t.Helper()
	const issuer = "https://" + companyHost
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	var nonces sync.Map // by code
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/jwks"})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "", "x5c": ""}, jose.JSONWebKey{Key: key.Public(), KeyID: "1"}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		code, q := rand.Text(), r.URL.Query()
		nonces.Store(code, q.Get("nonce"))
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		nonce, known := nonces.LoadAndDelete(r.PostFormValue("code"))
		if _, secret, _ := r.BasicAuth(); !known || secret != "company-secret" {
			w.WriteHeader(http.StatusBadRequest)
			reply(w, map[string]string{"error": "invalid_grant"})
			return
		}
		now := time.Now()
		claims, _ := json.Marshal(map[string]any{"iss": issuer, "aud": "drawbridge", "sub": "ana", "nonce": nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
			"email": "ana@company.test", "realm_access": map[string]any{"roles": []string{"engineering"}}})
		signed, _ := signer.Sign(claims)
		idToken, _ := signed.CompactSerialize()
		reply(w, map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 3599.5, "refresh_token": "r", "id_token": idToken})
	})
	s := httptest.NewUnstartedServer(mux)
	s.TLS = e.TLS()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// On a computer from which a proxy that wants a password and inspects what goes
// through it is the only way out, the first start leads to a signed-in client.
func TestCompanyNetwork(t *testing.T) {
	here := newIsland(t)
	proxy := proxytest.StartAt(t, here.neighbour)
	proxy.Demand("ana", proxyPassword)
	e := rig.StartEdge(t, edge.Options{})
	provider := companyProvider(t, e)
	rig.Edges.Store(companyHost, provider)
	proxy.Lead(companyHost+":443", provider)
	proxy.Lead("connect.ngrok-agent.com:443", e.AgentAddr())
	proxy.Lead(e.Domain()+":443", e.VisitorAddr())

	folder := t.TempDir()
	company := filepath.Join(folder, "company.pem")
	if err := os.WriteFile(company, e.CAs(), 0o600); err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	env := append(rig.Homeless(t), "HTTPS_PROXY=", "https_proxy=", "HTTP_PROXY=", "http_proxy=", "DRAWBRIDGE_IDP_CLIENT_SECRET=company-secret", "DRAWBRIDGE_NGROK_AUTHTOKEN="+rig.Authtoken,
		"DRAWBRIDGE_DATA_KEY="+base64.StdEncoding.EncodeToString(key))
	good := append(slices.Clone(env), "DRAWBRIDGE_PROXY_PASSWORD="+proxyPassword)
	place := []string{"--config", filepath.Join(folder, "config.toml"), "--data", filepath.Join(folder, "data"), "--keystore", "env"}
	elsewhere := []string{"--config", filepath.Join(folder, "config.toml"), "--data", filepath.Join(folder, "idle"), "--keystore", "env"}

	program := here.run(t, good, append([]string{"run", "--headless"}, place...)...)
	go func() { // nobody reads what it says; the pipe must not fill
		for range program.Lines {
		}
	}()
	command := func(env []string, args ...string) (string, int) { return here.run(t, env, args...).Wait() }
	setup := func(more ...string) {
		t.Helper()
		args := append([]string{"setup", "--issuer", "https://" + companyHost, "--client-id", "drawbridge", "--group", "engineering", "--tunnel", "ngrok", "--tunnel-domain", e.Domain()}, more...)
		if out, code := command(good, append(args, elsewhere...)...); code != 0 {
			t.Fatalf("setup: exit code %d: %s", code, out)
		}
	}
	doctorSays := func(env []string, words ...string) {
		t.Helper()
		out, _ := command(env, append([]string{"doctor"}, elsewhere...)...)
		for _, w := range append(words, "") {
			if !strings.Contains(out, w) || strings.Contains(out, proxyPassword) {
				t.Errorf("doctor does not say %q, or tells the password:\n%s", w, out)
			}
		}
	}
	setup()
	doctorSays(good, "if this network has a proxy, enter it in Setup")
	setup("--proxy", proxy.URL)
	doctorSays(good, "wants a user name and a password")
	setup("--proxy", strings.Replace(proxy.URL, "http://", "http://ana@", 1))
	doctorSays(append(slices.Clone(env), "DRAWBRIDGE_PROXY_PASSWORD=wrong"), "does not accept the user name and password")
	doctorSays(good, "signed by edge of the tests", "path in Setup")
	setup("--ca-file", company)
	proxy.Block(companyHost+":443", http.StatusForbidden)
	doctorSays(good, "does not let connections to "+companyHost+" through")
	proxy.Block(companyHost+":443", 0)
	doctorSays(good, "by the proxy "+strings.TrimPrefix(proxy.URL, "http://"), "key 1 of 2 has no crv")

	var st status.Status
	rig.WaitFor(t, "the tunnel to be open", func() bool {
		out, code := command(good, append([]string{"status", "--json"}, place...)...)
		return code == 0 && json.Unmarshal([]byte(out), &st) == nil && st.Tunnel.State == "up" && st.IDP.State == status.IDPOK
	})
	app := &rig.App{T: t, URL: "https://" + e.Domain(), MCPURL: "https://" + e.Domain() + "/mcp", Log: program.Log}
	b := rig.NewBrowser(t)
	b.HTTP.Transport = rig.PlainHTTP.Transport
	client := app.Register(t, rig.ClientURI)

	// Its groups stand elsewhere: the refusal says where, and that mends it.
	refused := b.SignIn(app.NewAuthRequest(client).URL(app), client.RedirectURI, "ana").Query()
	if says := refused.Get("error_description"); refused.Get("error") != "access_denied" || !strings.Contains(says, "realm_access.roles") {
		t.Fatalf("%q: %s", refused.Get("error"), says)
	}
	text, err := os.ReadFile(place[1])
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "[idp]\n", "[idp]\ngroups_claim = \"realm_access.roles\"\n", 1))
	if err := os.WriteFile(place[1], text, 0o600); err != nil {
		t.Fatal(err)
	}
	var tokens rig.Tokens
	rig.WaitFor(t, "the groups to be read where they stand", func() bool {
		p := b.Walk(b.OpenUntil(app.NewAuthRequest(client).URL(app), client.RedirectURI), "ana", client.RedirectURI)
		return p.Status == 0 && p.URL.Query().Get("code") != ""
	})
	tokens = app.SignIn(t, b, client, "ana")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "out of the company"})
	if out, code := command(good, append([]string{"doctor"}, place...)...); code != 0 || !strings.Contains(out, "https://"+e.Domain()+" leads here") {
		t.Errorf("doctor: exit code %d:\n%s", code, out)
	}
	if strings.Contains(program.Log.String(), proxyPassword) {
		t.Error("the password is in the log")
	}
	for _, host := range []string{companyHost, "connect.ngrok-agent.com", e.Domain()} {
		if !slices.Contains(proxy.Asked(), host+":443") {
			t.Errorf("%s was not reached by the proxy: %q", host, proxy.Asked())
		}
	}
}
