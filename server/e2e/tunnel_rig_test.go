package e2e

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

// authtoken is the one that edges of the tests know. Like ngrok's own it must
// never be seen again.
const authtoken = "2abCdEfGhIjKlMnOpQrStUvWxYz_authtokenOfTheTests"

// edges are the visitors' ports of all running edges, by domain: the tests'
// programs resolve these names here.
var edges sync.Map // host → host:port

// throughEdges is how programs and browsers of the tests reach what is behind an
// edge, and everything else as ever.
func throughEdges(http1 bool) *http.Transport {
	t := &http.Transport{MaxIdleConnsPerHost: 256, ForceAttemptHTTP2: !http1, TLSClientConfig: &tls.Config{RootCAs: edge.Pool()},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err == nil {
				if to, ok := edges.Load(host); ok {
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

func init() { plainHTTP.Transport = throughEdges(false) }

// tunnelApp is a Drawbridge behind an edge. Its App speaks through the tunnel.
type tunnelApp struct {
	*App
	Edge     *edge.Edge
	Host     string // the public host
	Keystore keystore.Store
	Provider *watchedProvider
}

// startEdge runs an edge until the test ends.
func startEdge(t testing.TB, o edge.Options) *edge.Edge {
	t.Helper()
	e, err := edge.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	edges.Store(e.Domain(), e.VisitorAddr())
	return e
}

// startTunnelApp starts a Drawbridge whose tunnel has the domain that e gives,
// and waits until it is open.
func startTunnelApp(t testing.TB, e *edge.Edge, change func(*AppOptions)) *tunnelApp {
	t.Helper()
	app := newTunnelApp(t, e, change)
	app.waitTunnel("up")
	return app
}

// newTunnelApp is startTunnelApp without the wait.
func newTunnelApp(t testing.TB, e *edge.Edge, change func(*AppOptions)) *tunnelApp {
	t.Helper()
	cas := filepath.Join(t.TempDir(), "edge.pem")
	if err := os.WriteFile(cas, e.CAs(), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := keystore.Memory()
	if err := keys.Set(t.Context(), keystore.NgrokAuthtoken, keystore.NewSecret(authtoken)); err != nil {
		t.Fatal(err)
	}
	provider := watchProvider(t, "https://"+e.Domain())
	o := AppOptions{Issuer: provider.Issuer, Keystore: keys, Front: &http.Client{Transport: throughEdges(false)},
		Config: func(c *config.Config) {
			c.Tunnel = config.Tunnel{Provider: "ngrok", Domain: e.Domain(), ConnectURL: e.AgentAddr(), ConnectCAs: cas}
		}}
	if change != nil {
		change(&o)
	}
	app := &tunnelApp{App: StartApp(t, o), Edge: e, Host: e.Domain(), Keystore: keys, Provider: provider}
	return app
}

// also returns a change of the configuration that comes after those before it.
func also(o *AppOptions, change func(*config.Config)) {
	before := o.Config
	o.Config = func(c *config.Config) {
		before(c)
		change(c)
	}
}

// browser is a person's browser that reaches the public URL.
func (app *tunnelApp) browser(t testing.TB) *Browser {
	b := NewBrowser(t)
	b.http.Transport = plainHTTP.Transport
	return b
}

// tunnel is what status says of the tunnel.
func (app *tunnelApp) tunnel() status.Tunnel { return app.Srv.Snapshot().Status.Tunnel }

// waitTunnel waits until the tunnel is in a state and its error has all of
// words, and returns it.
func (app *tunnelApp) waitTunnel(state string, words ...string) status.Tunnel {
	app.t.Helper()
	deadline := time.Now().Add(45 * time.Second)
	for {
		now := app.tunnel()
		ok := now.State == state
		for _, w := range words {
			ok = ok && strings.Contains(now.Error, w)
		}
		if ok {
			return now
		}
		if time.Now().After(deadline) {
			app.t.Fatalf("the tunnel is %+v, want %s with %q:\n%s", now, state, words, app.Log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// tunnelEvents are the types and reasons of the events about the tunnel.
func (app *tunnelApp) tunnelEvents() []status.Event {
	app.t.Helper()
	return app.Events(app.t, status.TunnelUp, status.TunnelDown)
}

// signedIn is a session of alice, and a check that it still lives.
func (app *tunnelApp) signedIn(t testing.TB) (Client, Tokens, func()) {
	t.Helper()
	client := app.Register(t, clientURI)
	tokens := app.SignIn(t, app.browser(t), client, "alice")
	return client, tokens, func() {
		t.Helper()
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "still here"})
		if n := len(app.Sessions(t)); n != 1 {
			t.Errorf("%d sessions, want the one", n)
		}
	}
}

// raw sends text over conn and returns the answer's status and body.
func raw(t testing.TB, conn net.Conn, text string) (int, string, http.Header) {
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

func itoa(n int) string { return strconv.Itoa(n) }
