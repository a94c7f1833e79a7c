package tunnel

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A client on the internet finds its way from the MCP URL alone, signs in, and
// calls tools, all through the tunnel.
func TestTunnelSignIn(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	if app.MCPURL != "https://"+app.Host+"/mcp" {
		t.Fatalf("the MCP URL is %s", app.MCPURL)
	}
	challenge := app.MCP(t, "").Initialize()
	if want := `resource_metadata="https://` + app.Host + `/.well-known/oauth-protected-resource/mcp"`; challenge.Status != http.StatusUnauthorized || !strings.Contains(challenge.Header.Get("WWW-Authenticate"), want) {
		t.Errorf("without a token: %d, %s", challenge.Status, challenge.Header.Get("WWW-Authenticate"))
	}
	client, tokens, alive := app.SignedIn(t)
	for _, modern := range []bool{false, true} {
		m := app.MCP(t, tokens.Access)
		m.Modern = modern
		if got := m.CallTool("add", map[string]any{"a": 19, "b": 23}); got != "42" {
			t.Errorf("add gave %q", got)
		}
	}
	tokens = app.MustRefresh(t, client, tokens.Refresh)
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "refreshed"})
	alive()

	// Whose request it was comes from the tunnel's connection.
	for _, e := range app.Events(t, "tool.called", "signin.succeeded") {
		if e.Remote != "127.0.0.1" {
			t.Errorf("%s came from %q", e.Type, e.Remote)
		}
	}
	ups := app.TunnelEvents()
	if len(ups) != 1 || ups[0].Type != "tunnel.up" || ups[0].Outcome != "ok" || ups[0].Reason != "https://"+app.Host {
		t.Errorf("events %+v", ups)
	}
	if st := app.Tunnel(); st.URL != "https://"+app.Host || st.Error != "" || st.Since.IsZero() {
		t.Errorf("status %+v", st)
	}
	if strings.Contains(app.Log.String(), rig.Authtoken) {
		t.Error("the authtoken is in the log")
	}
}

// The address of a visitor is the tunnel connection's, whatever headers say.
func TestTunnelRemoteAddress(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), func(o *rig.AppOptions) {
		rig.Also(o, func(c *config.Config) { c.Tunnel.TrustedProxies = []string{"0.0.0.0/0"} })
	})
	_, tokens, _ := app.SignedIn(t)
	conn, err := app.Edge.Raw(app.Host, "203.0.113.7:40000")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"x"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	status, answer, _ := rig.SendRaw(t, conn, "POST /mcp HTTP/1.1\r\nHost: "+app.Host+"\r\nX-Forwarded-For: 198.51.100.1\r\nX-Real-Ip: 198.51.100.2\r\nForwarded: for=198.51.100.3\r\n"+
		"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"Authorization: Bearer "+tokens.Access+"\r\nContent-Length: "+rig.Itoa(len(body))+"\r\n\r\n"+body)
	if status != http.StatusOK {
		t.Fatalf("answered %d: %s", status, rig.Clip(answer))
	}
	calls := app.Events(t, "tool.called")
	if got := calls[len(calls)-1].Remote; got != "203.0.113.7" {
		t.Errorf("the call came from %q, want the visitor's address", got)
	}
}

// Without a tunnel, the last X-Forwarded-For of a trusted proxy counts, and
// nobody else's.
func TestTrustedProxies(t *testing.T) {
	for _, c := range []struct {
		name    string
		proxies []string
		header  []string
		want    string
	}{
		{"nobody trusted", nil, []string{"198.51.100.1"}, "127.0.0.1"},
		{"another proxy trusted", []string{"10.0.0.0/8"}, []string{"198.51.100.1"}, "127.0.0.1"},
		{"the proxy trusted", []string{"127.0.0.1"}, []string{"198.51.100.1"}, "198.51.100.1"},
		{"only the last counts", []string{"127.0.0.0/8"}, []string{"6.6.6.6, 198.51.100.1"}, "198.51.100.1"},
		{"of several headers the last", []string{"127.0.0.1"}, []string{"6.6.6.6", "198.51.100.1"}, "198.51.100.1"},
		{"a chain of own proxies", []string{"127.0.0.1", "10.0.0.0/8"}, []string{"6.6.6.6, 198.51.100.1, 10.1.2.3"}, "198.51.100.1"},
		{"IPv6 with a port", []string{"127.0.0.1"}, []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"no header", []string{"127.0.0.1"}, nil, "127.0.0.1"},
		{"rubbish", []string{"127.0.0.1"}, []string{"198.51.100.1, unknown"}, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := rig.StartApp(t, rig.AppOptions{Config: func(cfg *config.Config) { cfg.Tunnel = config.Tunnel{Provider: "none", TrustedProxies: c.proxies} }})
			var headers []string
			for _, v := range c.header {
				headers = append(headers, "X-Forwarded-For", v)
			}
			body, _ := json.Marshal(map[string]any{"redirect_uris": []string{rig.ClientURI}, "token_endpoint_auth_method": "none"})
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, app.URL+"/register", strings.NewReader(string(body)))
			req.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(headers); i += 2 {
				req.Header.Add(headers[i], headers[i+1])
			}
			resp, err := rig.PlainHTTP.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := app.Events(t, "client.registered")[0].Remote; got != c.want {
				t.Errorf("registered from %q, want %q", got, c.want)
			}
		})
	}
}

// Without a provider named, a tunnel's domain or ingress is enough; without
// anything there is no tunnel.
func TestTunnelProviderUnset(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := rig.NewTunnelApp(t, e, func(o *rig.AppOptions) {
		rig.Also(o, func(c *config.Config) { c.Tunnel.Provider = "" })
	})
	app.WaitTunnel("up")
	plain := rig.StartApp(t, rig.AppOptions{Keystore: keystore.Memory()})
	if st := plain.Status(t); st.Tunnel.State != "off" || st.MCPURL != st.LocalURL+"/mcp" {
		t.Errorf("without an authtoken: %+v at %s", st.Tunnel, st.MCPURL)
	}
}
