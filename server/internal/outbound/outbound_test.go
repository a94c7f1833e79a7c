package outbound_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound/proxytest"
)

const host, secret = "idp.company.example", "s3cret with : and @"

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

// as is the proxy's URL with a user's name.
func as(user, proxy string) string { return strings.Replace(proxy, "http://", "http://"+user+"@", 1) }

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

// Whoever asks, an HTTP client or the tunnel, gets the same way out, and the
// same sentence where it is closed.
func TestWaysOut(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*testing.T, *proxytest.Proxy, *outbound.Options)
		says  []string // parts of the sentence; nil: it works
	}{
		"a proxy":              {func(*testing.T, *proxytest.Proxy, *outbound.Options) {}, nil},
		"a proxy with a slash": {func(_ *testing.T, _ *proxytest.Proxy, o *outbound.Options) { o.Proxy += "/" }, nil},
		"a proxy with a password": {func(_ *testing.T, p *proxytest.Proxy, o *outbound.Options) {
			p.Demand("ana", secret)
			o.Proxy, o.Password = as("ana", o.Proxy), password(secret)
		}, nil},
		"the environment's proxy": {func(t *testing.T, p *proxytest.Proxy, o *outbound.Options) {
			p.Demand("env", "pw")
			t.Setenv("HTTPS_PROXY", strings.Replace(p.URL, "http://", "http://env:pw@", 1))
			o.Proxy = ""
		}, nil},
		"no name for the proxy": {func(_ *testing.T, p *proxytest.Proxy, _ *outbound.Options) { p.Demand("ana", secret) },
			[]string{"wants a user name and a password", "http://NAME@127.0.0.1:", "In Setup"}},
		"a wrong password": {func(_ *testing.T, p *proxytest.Proxy, o *outbound.Options) {
			p.Demand("ana", secret)
			o.Proxy, o.Password = as("ana", o.Proxy), password("wrong-"+secret)
		}, []string{"does not accept the user name and password", "in Setup"}},
		"a keychain that is locked": {func(_ *testing.T, p *proxytest.Proxy, o *outbound.Options) {
			p.Demand("ana", secret)
			o.Proxy, o.Password = as("ana", o.Proxy), func(context.Context) (string, error) { return "", errors.New("locked") }
		}, []string{"password can't be had from the keychain"}},
		"a blocked host": {func(_ *testing.T, p *proxytest.Proxy, _ *outbound.Options) { p.Block(host+":443", 403) },
			[]string{"does not let connections to " + host, "allow " + host}},
		"a host that the proxy can't reach": {func(_ *testing.T, p *proxytest.Proxy, _ *outbound.Options) { p.Block(host+":443", 504) },
			[]string{"could not reach " + host, "504"}},
		"a proxy that is away": {func(_ *testing.T, _ *proxytest.Proxy, o *outbound.Options) { o.Proxy = "http://127.0.0.1:1" },
			[]string{"The proxy 127.0.0.1:1 can't be reached", "the proxy in Setup"}},
		"an inspecting proxy": {func(_ *testing.T, _ *proxytest.Proxy, o *outbound.Options) { o.CAFile = "" },
			[]string{"signed by Company Inspecting CA", "path in Setup", host}},
		"a ca_file that isn't there": {func(_ *testing.T, _ *proxytest.Proxy, o *outbound.Options) { o.CAFile += "x" },
			[]string{"authority can't be read"}},
		"a ca_file with nothing in it": {func(t *testing.T, _ *proxytest.Proxy, o *outbound.Options) {
			o.CAFile = filepath.Join(t.TempDir(), "x.pem")
			if err := os.WriteFile(o.CAFile, []byte("hello"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"no certificate in PEM form"}},
		"a host that needs no proxy": {func(_ *testing.T, _ *proxytest.Proxy, o *outbound.Options) { o.NoProxy = []string{".company.example"} },
			[]string{"if this network has a proxy, enter it in Setup"}},
	} {
		for _, caller := range []string{"a client", "the tunnel"} {
			t.Run(name+", for "+caller, func(t *testing.T) {
				proxy, company := proxytest.Start(t), proxytest.NewAuthority(t, "Company Inspecting CA")
				company.Serve(t, proxy, host, hello)
				o := outbound.Options{Proxy: proxy.URL, CAFile: company.File}
				c.spoil(t, proxy, &o)
				n := outbound.New(o)
				err := ask(t, n, caller)
				if c.says == nil {
					if err != nil || !slices.Equal(proxy.Asked(), []string{host + ":443"}) {
						t.Fatalf("%v; the proxy was asked for %q", err, proxy.Asked())
					}
					return
				}
				why := outbound.Why(err)
				if why == nil {
					t.Fatalf("no fault is seen in %v", err)
				}
				for _, part := range c.says {
					if !strings.Contains(why.Error(), part) {
						t.Errorf("no %q in %q", part, why)
					}
				}
				for _, text := range []string{err.Error(), why.Error()} {
					if strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) || strings.Contains(text, "pw@") {
						t.Errorf("the password is told: %s", text)
					}
				}
			})
		}
	}
}

// ask reads what stands at host.
func ask(t *testing.T, n *outbound.Network, caller string) error {
	t.Helper()
	client := n.Client(10 * time.Second)
	if caller == "the tunnel" { // which dials, and does TLS itself
		trust := &tls.Config{ServerName: host}
		n.TrustToo(trust)
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DialContext: n.Dial}}
	}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + host + "/")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello" {
		t.Errorf("it answered %q, %v", body, err)
	}
	return nil
}

// Loopback is reached directly, whatever the proxy.
func TestLoopbackNeedsNoProxy(t *testing.T) {
	proxy, here := proxytest.Start(t), httptest.NewServer(hello)
	defer here.Close()
	n := outbound.New(outbound.Options{Proxy: proxy.URL})
	resp, err := n.Client(5 * time.Second).Get(here.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	conn, err := n.Dial(t.Context(), "tcp", here.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if asked := proxy.Asked(); len(asked) > 0 {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

// What follows a proxy's answer is the target's, to the byte.
func TestDialKeepsWhatFollows(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 "+strings.Repeat("long ", 50)+"\r\nX-Long: "+strings.Repeat("x", 300)+"\r\n\r\nSSH-2.0\r\n")
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}()
	conn, err := outbound.New(outbound.Options{Proxy: "http://" + l.Addr().String()}).Dial(t.Context(), "tcp", host+":22")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	got := make([]byte, 9)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "SSH-2.0\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// Who gives up waits for no proxy that says nothing.
func TestDialGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Read(make([]byte, 1))
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	}()
	if _, err := outbound.New(outbound.Options{Proxy: "http://" + l.Addr().String()}).Dial(ctx, "tcp", host+":443"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// The password never leaves by the ways in which a proxy is told.
func TestProxyIsToldWithoutItsPassword(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://ana:hunter2@proxy.example:3128")
	n := outbound.New(outbound.Options{})
	u, err := n.ProxyOf(&url.URL{Scheme: "https", Host: host})
	if err != nil || u.String() != "http://ana@proxy.example:3128" {
		t.Errorf("%v, %v", u, err)
	}
	if d := n.Describe(); strings.Contains(d, "hunter2") || !strings.Contains(d, "proxy.example:3128") {
		t.Errorf("described as %q", d)
	}
}
