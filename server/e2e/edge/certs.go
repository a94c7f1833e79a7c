package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"time"
)

// authority signs a certificate for each name that is asked for.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	pem  []byte

	mu     sync.Mutex // guards issued
	issued map[string]*tls.Certificate
}

// theAuthority is one for all edges of a process, so that one client can visit
// several.
var theAuthority = sync.OnceValues(newAuthority)

// Pool has the authority of every certificate of every edge in this process.
func Pool() *x509.CertPool {
	a, err := theAuthority()
	if err != nil {
		return x509.NewCertPool()
	}
	return a.pool
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, pool: x509.NewCertPool(), issued: map[string]*tls.Certificate{}}
	der, err := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "edge of the tests"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.pool.AddCert(a.cert)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a, nil
}

// sign makes a certificate of what t leaves open; the authority's own is its
// own parent.
func (a *authority) sign(t *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	t.SerialNumber, t.NotBefore, t.NotAfter = serial, time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent := a.cert
	if parent == nil {
		parent = t
	}
	return x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, a.key)
}

// forName returns a certificate for the name in a TLS greeting; without one for
// loopback.
func (a *authority) forName(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.issued[hello.ServerName]; c != nil {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	if hello.ServerName != "" {
		t.DNSNames = []string{hello.ServerName}
	}
	der, err := a.sign(t, key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	a.issued[hello.ServerName] = c
	return c, nil
}
