// Package proxytest gives a test a company's network on loopback: a CONNECT
// proxy that alone knows the names of hosts, and a private authority.
//
// Start at [Start].
package proxytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Proxy is a running CONNECT proxy.
type Proxy struct {
	URL string // without user and password

	mu             sync.Mutex // guards all below
	user, password string     // demanded, if user is not ""
	hosts          map[string]string
	blocked        map[string]int
	asked          []string
}

// Start runs a proxy on loopback until t ends.
func Start(t testing.TB) *Proxy { return StartAt(t, "127.0.0.1") }

// StartAt is Start at another address of this machine.
func StartAt(t testing.TB, ip string) *Proxy {
	t.Helper()
	p := &Proxy{hosts: map[string]string{}, blocked: map[string]int{}}
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: p}}
	server.Start()
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Lead has the proxy connect host, which is host:port, to an address.
func (p *Proxy) Lead(host, address string) { p.change(func() { p.hosts[host] = address }) }

// Block has the proxy answer status for host, which is host:port.
func (p *Proxy) Block(host string, status int) { p.change(func() { p.blocked[host] = status }) }

// Demand has the proxy let in nobody but user.
func (p *Proxy) Demand(user, password string) {
	p.change(func() { p.user, p.password = user, password })
}

// Asked are the targets of all CONNECTs so far that it let in.
func (p *Proxy) Asked() (targets []string) {
	p.change(func() { targets = append(targets, p.asked...) })
	return targets
}

func (p *Proxy) change(how func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how()
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password))
	stranger := p.user != "" && r.Header.Get("Proxy-Authorization") != want
	address, known := p.hosts[r.Host]
	status := p.blocked[r.Host]
	if !stranger {
		p.asked = append(p.asked, r.Host)
	}
	p.mu.Unlock()
	switch {
	case stranger:
		w.Header().Set("Proxy-Authenticate", `Basic realm="company"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	case r.Method != http.MethodConnect || !known && status == 0:
		w.WriteHeader(http.StatusBadGateway)
		return
	case status != 0:
		w.WriteHeader(status)
		return
	}
	out, err := net.Dial("tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	in, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		_ = out.Close()
		return
	}
	_, _ = io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(out, buffered); _ = out.Close() }()
	go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
}

// Authority signs certificates that no system trusts.
type Authority struct {
	File string // its certificate, as PEM

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority returns an authority of a name, whose file goes with t.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{File: filepath.Join(t.TempDir(), "company.pem"), key: key}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.File, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// Certificate is one for host.
func (a *Authority) Certificate(t testing.TB, host string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// Serve runs handler as host, known to nobody but p, until t ends.
func (a *Authority) Serve(t testing.TB, p *Proxy, host string, handler http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.Certificate(t, host)}}
	s.StartTLS()
	t.Cleanup(s.Close)
	p.Lead(host+":443", s.Listener.Addr().String())
	return s
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
