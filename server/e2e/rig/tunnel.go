package rig

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Authtoken is the one that edges of the tests know. Like ngrok's own it must
// never be seen again.
const Authtoken = "2abCdEfGhIjKlMnOpQrStUvWxYz_authtokenOfTheTests"

// Edges are the visitors' ports of all running edges, by domain: the tests'
// programs resolve these names here.
var Edges sync.Map // host → host:port

// ThroughEdges is how programs and browsers of the tests reach what is behind an
// edge, and everything else as ever.
func ThroughEdges(http1 bool) *http.Transport {
	t := &http.Transport{MaxIdleConnsPerHost: 256, ForceAttemptHTTP2: !http1, TLSClientConfig: &tls.Config{RootCAs: edge.Pool()},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err == nil {
				if to, ok := Edges.Load(host); ok {
					address = to.(string)
				}
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
	if http1 {
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return t
}

func init() { PlainHTTP.Transport = ThroughEdges(false) }

// TunnelApp is a Drawbridge behind an edge. Its App speaks through the tunnel.
type TunnelApp struct {
	*App
	Edge     *edge.Edge
	Host     string // the public host
	Keystore keystore.Store
	Provider *WatchedProvider
}

// StartEdge runs an edge until the test ends.
func StartEdge(t testing.TB, o edge.Options) *edge.Edge {
	t.Helper()
	e, err := edge.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	Edges.Store(e.Domain(), e.VisitorAddr())
	return e
}

// StartTunnelApp starts a Drawbridge whose tunnel has the domain that e gives,
// and waits until it is open.
func StartTunnelApp(t testing.TB, e *edge.Edge, change func(*AppOptions)) *TunnelApp {
	t.Helper()
	app := NewTunnelApp(t, e, change)
	app.WaitTunnel("up")
	return app
}

// NewTunnelApp is startTunnelApp without the wait.
func NewTunnelApp(t testing.TB, e *edge.Edge, change func(*AppOptions)) *TunnelApp {
	t.Helper()
	cas := filepath.Join(t.TempDir(), "edge.pem")
	if err := os.WriteFile(cas, e.CAs(), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := keystore.Memory()
	if err := keys.Set(t.Context(), keystore.NgrokAuthtoken, keystore.NewSecret(Authtoken)); err != nil {
		t.Fatal(err)
	}
	provider := WatchProvider(t, "https://"+e.Domain())
	o := AppOptions{Issuer: provider.Issuer, Keystore: keys, Front: &http.Client{Transport: ThroughEdges(false)},
		Config: func(c *config.Config) {
			c.Tunnel = config.Tunnel{Provider: "ngrok", Domain: e.Domain(), ConnectURL: e.AgentAddr(), ConnectCAs: cas}
		}}
	if change != nil {
		change(&o)
	}
	app := &TunnelApp{App: StartApp(t, o), Edge: e, Host: e.Domain(), Keystore: keys, Provider: provider}
	return app
}

// Also returns a change of the configuration that comes after those before it.
func Also(o *AppOptions, change func(*config.Config)) {
	before := o.Config
	o.Config = func(c *config.Config) {
		before(c)
		change(c)
	}
}

// Browser is a person's browser that reaches the public URL.
func (app *TunnelApp) Browser(t testing.TB) *Browser {
	b := NewBrowser(t)
	b.HTTP.Transport = PlainHTTP.Transport
	return b
}

// Tunnel is what status says of the tunnel.
func (app *TunnelApp) Tunnel() status.Tunnel { return app.Srv.Snapshot().Status.Tunnel }

// WaitTunnel waits until the tunnel is in a state and its error has all of
// words, and returns it.
func (app *TunnelApp) WaitTunnel(state string, words ...string) status.Tunnel {
	app.T.Helper()
	deadline := time.Now().Add(45 * time.Second)
	for {
		now := app.Tunnel()
		ok := now.State == state
		for _, w := range words {
			ok = ok && strings.Contains(now.Error, w)
		}
		if ok {
			return now
		}
		if time.Now().After(deadline) {
			app.T.Fatalf("the tunnel is %+v, want %s with %q:\n%s", now, state, words, app.Log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TunnelEvents are the types and reasons of the events about the tunnel.
func (app *TunnelApp) TunnelEvents() []status.Event {
	app.T.Helper()
	return app.Events(app.T, status.TunnelUp, status.TunnelDown)
}

// SignedIn is a session of alice, and a check that it still lives.
func (app *TunnelApp) SignedIn(t testing.TB) (Client, Tokens, func()) {
	t.Helper()
	client := app.Register(t, ClientURI)
	tokens := app.SignIn(t, app.Browser(t), client, "alice")
	return client, tokens, func() {
		t.Helper()
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "still here"})
		if n := len(app.Sessions(t)); n != 1 {
			t.Errorf("%d sessions, want the one", n)
		}
	}
}

// SendRaw sends text over conn and returns the answer's status and body.
func SendRaw(t testing.TB, conn net.Conn, text string) (int, string, http.Header) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer resp.Body.Close()
	body := make([]byte, 64<<10)
	n := 0
	for n < len(body) {
		m, err := resp.Body.Read(body[n:])
		n += m
		if err != nil {
			break
		}
	}
	return resp.StatusCode, string(body[:n]), resp.Header
}

func Itoa(n int) string { return strconv.Itoa(n) }

// Check is one line of doctor.
func (app *TunnelApp) Check(t *testing.T, name string) status.Check {
	t.Helper()
	for _, c := range app.Srv.Doctor(t.Context()) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("doctor has no check %q", name)
	return status.Check{}
}

// WaitAddress waits until a Drawbridge that learns its URL has learned it.
func (app *TunnelApp) WaitAddress(t *testing.T) {
	t.Helper()
	WaitFor(t, "Drawbridge to be ready", func() bool { return app.Srv.Snapshot().Status.State == status.Ready })
	app.SetAddress(app.Status(t))
}

// OnLoopback is an answer of the local listener.
func (app *TunnelApp) OnLoopback(t *testing.T, path string) string {
	t.Helper()
	resp, err := PlainHTTP.Get(app.Status(t).LocalURL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := make([]byte, 8192)
	n, _ := resp.Body.Read(body)
	return string(body[:n])
}
