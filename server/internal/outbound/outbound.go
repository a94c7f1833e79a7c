// Package outbound is how Drawbridge reaches the internet: directly or by a
// company's proxy, and whose certificates it believes. Whoever asks something of
// the provider, of ngrok, of a client's document or of a mounted server gets its
// transport here.
//
// It never logs, and never lets a proxy's password into an error or a URL that
// it returns.
//
// Start at [Network].
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Options are [network] of config.toml. What is empty comes from the environment
// (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) and from the system.
type Options struct {
	Proxy   string
	NoProxy []string
	CAFile  string
	// Password is asked, until it gives one, for the password of a user whom
	// Proxy names; nil: there is none.
	Password func(context.Context) (string, error)
}

// Network is one way out. A nil Network is the environment's. Its methods may be
// called from several goroutines.
type Network struct {
	proxyFor  func(*url.URL) (*url.URL, error)
	addresses []string // host:port of the proxies there are
	pem       []byte   // of CAFile
	roots     *x509.CertPool
	broken    error // why CAFile can't be used
	ask       func(context.Context) (string, error)

	mu       sync.Mutex // guards password
	password string
}

// New returns the way out for o. A CAFile that can't be used is an error of each
// request, with a sentence: the app starts, and doctor says it.
func New(o Options) *Network {
	by, n := httpproxy.FromEnvironment(), &Network{ask: o.Password}
	if o.Proxy != "" {
		by.HTTPProxy, by.HTTPSProxy = o.Proxy, o.Proxy
	}
	if len(o.NoProxy) > 0 {
		by.NoProxy = strings.Join(o.NoProxy, ",")
	}
	n.proxyFor = by.ProxyFunc()
	for _, proxy := range []string{by.HTTPProxy, by.HTTPSProxy} {
		if u, err := url.Parse(proxy); err == nil && u.Host != "" {
			n.addresses = append(n.addresses, address(u))
		}
	}
	if o.CAFile != "" {
		n.roots, n.pem, n.broken = authorities(o.CAFile)
	}
	return n
}

var environment = sync.OnceValue(func() *Network { return New(Options{}) })

func (n *Network) orEnvironment() *Network {
	if n == nil {
		return environment()
	}
	return n
}

// authorities are the system's and those of a PEM file.
func authorities(file string) (*x509.CertPool, []byte, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, &Fault{Text: "The file with your company's authority can't be read. Correct its path in Setup, or leave it empty.", Key: KeyCAFile, Err: err}
	}
	pool := systemPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, &Fault{Text: "The file with your company's authority holds no certificate in PEM form. Export the authority's certificate again, as Base64 or PEM.", Key: KeyCAFile}
	}
	return pool, pem, nil
}

func systemPool() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return x509.NewCertPool()
	}
	return pool
}

// ProxyOf is the proxy by which a URL is reached, without its password; nil: none.
func (n *Network) ProxyOf(u *url.URL) (*url.URL, error) {
	proxy, err := n.orEnvironment().proxyFor(u)
	if proxy == nil || proxy.User == nil {
		return proxy, err
	}
	plain := *proxy
	plain.User = url.User(proxy.User.Username())
	return &plain, err
}

// proxy is ProxyOf with the password.
func (n *Network) proxy(ctx context.Context, u *url.URL) (*url.URL, error) {
	if n.broken != nil {
		return nil, n.broken
	}
	proxy, err := n.proxyFor(u)
	if err != nil || proxy == nil || proxy.User == nil || n.ask == nil {
		return proxy, err
	}
	if _, has := proxy.User.Password(); has {
		return proxy, nil // the environment's
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.password == "" {
		if n.password, err = n.ask(ctx); err != nil {
			return nil, &Fault{Text: "The proxy's password can't be had from the keychain. Unlock the keychain, or enter the password again in Setup.", Key: KeyPassword, Err: err}
		}
	}
	full := *proxy
	full.User = url.UserPassword(proxy.User.Username(), n.password)
	return &full, nil
}

// Transport returns a transport of the caller's own, to adjust.
func (n *Network) Transport() *http.Transport {
	n = n.orEnvironment()
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = func(req *http.Request) (*url.URL, error) { return n.proxy(req.Context(), req.URL) }
	t.TLSClientConfig = &tls.Config{RootCAs: n.roots}
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error {
		return refusal(proxy, req.Host, resp.StatusCode)
	}
	t.DialContext = n.dialer(10 * time.Second)
	return t
}

// Client returns a client whose requests take no longer than timeout each.
func (n *Network) Client(timeout time.Duration) *http.Client {
	t := n.Transport()
	t.DialContext = n.orEnvironment().dialer(timeout / 2) // so that it is told from a server that does not answer
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = timeout, timeout
	return &http.Client{Timeout: timeout, Transport: t}
}

// dialer dials, and says so if it is a proxy that can't be reached.
func (n *Network) dialer(timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil && slices.Contains(n.addresses, addr) && ctx.Err() == nil {
			return nil, &Fault{Text: "The proxy {proxy} can't be reached. Compare the proxy in Setup with what whoever runs this network says.", Key: KeyProxy, Words: map[string]string{"proxy": addr}, Err: err}
		}
		return conn, err
	}
}

// TrustToo has a TLS client believe the authorities of CAFile besides those it
// does already.
func (n *Network) TrustToo(c *tls.Config) {
	n = n.orEnvironment()
	if n.pem == nil {
		return
	}
	if c.RootCAs == nil {
		c.RootCAs = systemPool()
	}
	c.RootCAs = c.RootCAs.Clone()
	c.RootCAs.AppendCertsFromPEM(n.pem)
}

// Describe is the way out in words: "" if it is direct, with the system's
// authorities.
func (n *Network) Describe() string {
	n = n.orEnvironment()
	var parts []string
	if len(n.addresses) > 0 {
		parts = append(parts, "by the proxy "+strings.Join(slices.Compact(slices.Clone(n.addresses)), " and "))
	}
	if n.pem != nil {
		parts = append(parts, "with the authorities of ca_file besides the system's")
	}
	return strings.Join(parts, ", ")
}

// Broken is why [network] can't be used as it is, or nil.
func (n *Network) Broken() error { return n.orEnvironment().broken }

// address is host and port of a proxy.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

var errScheme = errors.New("unknown kind of proxy")
