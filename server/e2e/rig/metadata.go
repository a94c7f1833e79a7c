package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Metadata serves a Client ID Metadata Document over https on localhost. Its
// certificate is trusted by nobody but the app under test.
type Metadata struct {
	ID    string       // the client's id: the document's URL
	Reads atomic.Int64 // how often it was fetched

	mu     sync.Mutex // guards the rest
	doc    map[string]any
	status int
	header http.Header
}

// ServeMetadata serves the document of a public client with these redirect
// URIs, until the test ends.
func ServeMetadata(t testing.TB, redirectURIs ...string) *Metadata {
	t.Helper()
	m := &Metadata{status: http.StatusOK, header: http.Header{}}
	srv := httptest.NewUnstartedServer(m)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{Certificate().Pair}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	m.ID = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/oauth/client.json"
	m.doc = map[string]any{
		"client_id": m.ID, "client_name": "Metadata client", "redirect_uris": redirectURIs, "client_uri": "https://localhost/",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"token_endpoint_auth_method": "none", "application_type": "native",
	}
	return m
}

// Client returns the client as it presents itself.
func (m *Metadata) Client() Client {
	return Client{ID: m.ID, RedirectURI: m.doc["redirect_uris"].([]string)[0]}
}

// Set changes one field of the document.
func (m *Metadata) Set(field string, value any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doc[field] = value
}

// Answer changes the status of the answers, and headers by pairs of name and value.
func (m *Metadata) Answer(status int, headers ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
	for i := 0; i+1 < len(headers); i += 2 {
		m.header.Set(headers[i], headers[i+1])
	}
}

func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.Reads.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	for name, values := range m.header {
		w.Header()[name] = values
	}
	w.WriteHeader(m.status)
	_ = json.NewEncoder(w).Encode(m.doc)
}

type authority struct {
	Pair tls.Certificate
	pool *x509.CertPool // trusts pair
}

// Certificate is a certificate for this machine's loopback names, new in each run.
var Certificate = sync.OnceValue(func() authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Drawbridge tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return authority{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool}
})
