package rig

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// MCPServer is one server of mcp.json.
type MCPServer struct {
	Command string            `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Off     bool              `json:"disabled,omitempty"`
}

// Mounting is an app's options with these servers in its mcp.json.
func Mounting(t testing.TB, o AppOptions, servers map[string]MCPServer) AppOptions {
	t.Helper()
	dir := t.TempDir()
	o.ConfigFile = filepath.Join(dir, "config.toml")
	WriteServers(t, o.ConfigFile, servers)
	return o
}

// WriteServers writes the mcp.json beside a configuration file.
func WriteServers(t testing.TB, configFile string, servers map[string]MCPServer) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"mcpServers": servers})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(configFile), "mcp.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// NodeServer is a server of servers/, run by Node.
func NodeServer(t testing.TB, name string, args ...string) MCPServer {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("servers", name))
	if err != nil {
		t.Fatal(err)
	}
	return MCPServer{Command: NeedNode(t), Args: append([]string{path}, args...)}
}

// ConformanceServer is the conformance fixture: over HTTP (which starts it), or over
// stdin and stdout; of both eras, or of those with sessions only ("legacy").
func ConformanceServer(t testing.TB, transport string, era ...string) MCPServer {
	t.Helper()
	if transport == "stdio" {
		return NodeServer(t, "conformance.mjs", era...)
	}
	return MCPServer{URL: StartScript(t, nil, "servers/conformance.mjs", append([]string{"http"}, era...)...).Line()}
}

// WaitForServers waits until every mounted server has said what it offers.
func (app *App) WaitForServers(t testing.TB) {
	t.Helper()
	var last []status.Server
	defer func() {
		if t.Failed() {
			t.Logf("servers: %+v\n%s", last, app.Log)
		}
	}()
	WaitFor(t, "the mounted servers", func() bool {
		last = app.Status(t).Servers
		for _, s := range last {
			if s.State != "ok" {
				return false
			}
		}
		return len(last) > 0
	})
}

// SignInAt signs user in for an MCP path other than /mcp.
func (app *App) SignInAt(t testing.TB, c Client, user, path string) Tokens {
	t.Helper()
	req := app.NewAuthRequest(c)
	req.Values.Set("resource", app.URL+path)
	return app.MustTokens(t, app.Redeem(t, req, app.Code(t, NewBrowser(t), req, user), "resource", app.URL+path))
}

// SignedIn is a proxy that adds an access token, for programs that can't sign
// in. What else a request says stays as it is: a wrong Host too.
func (app *App) SignedIn(t testing.TB, access string) (url string) {
	t.Helper()
	target := MustParse(t, app.URL)
	var own string
	pass := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if r.Out.Host = r.In.Host; strings.HasSuffix(own, r.In.Host) {
			r.Out.Host = target.Host
		}
		r.Out.Header.Set("Authorization", "Bearer "+access)
	}, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Else an answer that begins while the end of the body is still looked for
		// closes that, and is cut.
		_ = http.NewResponseController(w).EnableFullDuplex()
		pass.ServeHTTP(w, r)
	}))
	own = "http://" + strings.Replace(proxy.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	proxy.Start()
	t.Cleanup(proxy.Close)
	return own
}

func MustParse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
