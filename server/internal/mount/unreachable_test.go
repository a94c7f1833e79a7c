//go:build unix

package mount

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// certify makes a certificate that is valid for a day from a time on, signed by
// itself or by an authority that nobody knows.
func certify(t *testing.T, from time.Time, selfSigned bool, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"}, NotBefore: from, NotAfter: from.Add(24 * time.Hour),
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	signer := own
	if !selfSigned {
		signer = &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "an authority"}, IsCA: true}
	}
	if len(names) > 0 {
		own.IPAddresses = nil
	}
	der, err := x509.CreateCertificate(rand.Reader, own, signer, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func serveTLS(t *testing.T, certs ...tls.Certificate) *httptest.Server {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	if len(certs) > 0 {
		s.TLS = &tls.Config{Certificates: certs}
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestWhyUnreachable has one sentence, with its cure, for each reason.
func TestWhyUnreachable(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := serveTLS(t)
	closed := closedPort(t)
	other, err := net.Listen("tcp", "127.0.0.1:0") // neither HTTP nor TLS
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() }) // it waits for a line that it knows
			_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
		}
	}()
	hangsUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangsUp.Close()
	moved := func(status int, to string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	day := 24 * time.Hour
	for name, c := range map[string]struct{ url, want, cure string }{
		"a self-signed certificate": {serveTLS(t, certify(t, time.Now().Add(-time.Hour), true)).URL, "its certificate is not trusted: it is self-signed", "`ca_file` in [network]"},
		"an unknown authority":      {serveTLS(t, certify(t, time.Now().Add(-time.Hour), false)).URL, "its certificate is not trusted: an authority", "`ca_file` in [network]"},
		"another name":              {serveTLS(t, certify(t, time.Now().Add(-time.Hour), true, "mcp.example")).URL, "its certificate is", ""},
		"an expired certificate":    {serveTLS(t, certify(t, time.Now().Add(-3*day), true)).URL, "its certificate", ""},
		"https on an http port":     {"https" + strings.TrimPrefix(plain.URL, "http"), "it speaks http there, not https", "Write http://"},
		"http on an https port":     {"http" + strings.TrimPrefix(secure.URL, "https"), "it speaks https there, not http", "Write https://"},
		"an unknown host":           {"http://nowhere.invalid/mcp", "nowhere.invalid", "Correct its URL"},
		"a closed port":             {"http://" + closed + "/mcp", "nothing listens at " + closed, "Start the server, or correct the port"},
		"something else":            {"http://" + other.Addr().String() + "/mcp", "does not speak HTTP", "Correct the port"},
		"something else, https":     {"https://" + other.Addr().String() + "/mcp", "", ""},
		"no answer":                 {hangsUp.URL, "closed the connection without an answer", "its own log"},
		"moved for good":            {moved(301, "https://new.example/mcp?key=hush"), "sends its callers to https://new.example/mcp.", "Put that URL into mcp.json"},
		"moved in its host":         {moved(302, "/mcp/?key=hush"), "sends its callers to http://127.0.0.1:", "Put that URL into mcp.json"},
		"moved to another host":     {moved(308, "http://user:hush@new.example:81/x"), "sends its callers to http://new.example:81/x.", "Put that URL into mcp.json"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{{Name: "x", URL: c.url}})
			_, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.cure) {
				t.Fatalf("got %v, want %s … %s", err, c.want, c.cure)
			}
			if name == "an unknown host" && !strings.Contains(err.Error(), "there is no host named") && !strings.Contains(err.Error(), "could not be looked up") {
				t.Errorf("got %v", err)
			}
			if st := r.state(); st.State != "failed" || !strings.Contains(st.Error, c.want) || !strings.Contains(r.logs(), c.want) {
				t.Errorf("state %+v, log %s", st, r.logs())
			}
			if all := err.Error() + r.said() + r.logs(); strings.Contains(all, "hush") {
				t.Errorf("it tells a secret: %s", all)
			}
		})
	}
}

// closedPort is an address that nobody else listens at meanwhile: a socket of
// ours has it, and does not listen.
func closedPort(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// closing tells when it is closed.
type closing struct {
	net.Conn
	closed chan struct{}
}

func (c closing) Close() error {
	defer close(c.closed)
	return c.Conn.Close()
}

// TestSpeaksFirst handles a server that greets, as mail servers and SSH do,
// before the request is under way: the transport drops the connection then.
func TestSpeaksFirst(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}()
	dropped := make(chan struct{})
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return closing{c, dropped}, err
	}}}
	ctx := httptrace.WithClientTrace(within(t), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { <-dropped }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String()+"/mcp", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(req)
	if err == nil {
		t.Fatal("it is an answer")
	}
	if got := noAnswer(req.URL.String(), err); !strings.Contains(got.text, "what is at "+l.Addr().String()+" does not speak HTTP") {
		t.Errorf("got %s: %v", got.text, err)
	}
}

// TestWhyNoAnswer has what verification says once the authority is known, which
// no loopback server shows without it.
func TestWhyNoAnswer(t *testing.T) {
	cert, err := x509.ParseCertificate(certify(t, time.Now(), true, "mcp.example", "b.example").Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"for another name than a.example (mcp.example, b.example)": x509.HostnameError{Certificate: cert, Host: "a.example"},
		"has expired":              x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired},
		"does not answer":          &net.OpError{Op: "dial", Err: timeout{}},
		"there is no host named h": &net.DNSError{Name: "h", IsNotFound: true},
		"Is this computer online?": &net.DNSError{Name: "h", IsTemporary: true},
	} {
		if got := noAnswer("https://a.example/x?key=hush", err); !strings.Contains(got.text, want) || strings.Contains(got.text, "hush") {
			t.Errorf("got %s, want %s", got.text, want)
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }
