package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"unicode"
)

// Fault is what stands between this computer and the internet, in a sentence for
// a person. Text has {words} for Words, and is the key of its translations.
type Fault struct {
	Text  string
	Words map[string]string
	Key   string // what of [network] would mend it; "" where nobody knows whether that is wanting
	Err   error  // the cause, for the log
}

func (f *Fault) Error() string {
	text := f.Text
	for word, is := range f.Words {
		text = strings.ReplaceAll(text, "{"+word+"}", is)
	}
	return text
}

// The keys of a [Fault].
const (
	KeyProxy    = "proxy"
	KeyPassword = "proxy_password"
	KeyCAFile   = "ca_file"
)

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// refusal is the error of a proxy that answers a CONNECT with status; nil for
// one that does as asked.
func refusal(proxy *url.URL, target string, status int) error {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		host = target
	}
	f := &Fault{Key: KeyProxy, Words: map[string]string{"proxy": address(proxy), "host": host, "status": fmt.Sprint(status)}}
	switch {
	case status/100 == 2:
		return nil
	case status == http.StatusProxyAuthRequired && proxy.User == nil:
		f.Key = KeyPassword
		f.Text = "The proxy {proxy} wants a user name and a password. In Setup, enter the proxy as http://NAME@{proxy}, and its password."
	case status == http.StatusProxyAuthRequired:
		f.Key = KeyPassword
		f.Text = "The proxy {proxy} does not accept the user name and password. Check the name in Setup, and enter the password again."
	case status >= 500:
		f.Text = "The proxy {proxy} could not reach {host} (status {status}). Try again in a minute; if it stays so, ask whoever runs it."
	default:
		f.Text = "The proxy {proxy} does not let connections to {host} through (status {status}). Ask whoever runs it to allow {host}."
	}
	return f
}

// Why finds the fault in the error of a request or a connection; nil if it is no
// fault of the network between.
func Why(err error) *Fault {
	var fault *Fault
	var unverified *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name *net.DNSError
	var dial *net.OpError
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &unknown):
		cert := unknown.Cert
		if errors.As(err, &unverified) && len(unverified.UnverifiedCertificates) > 0 {
			cert = unverified.UnverifiedCertificates[0]
		}
		words := map[string]string{"host": "the host", "authority": "an authority without a name"}
		if cert != nil {
			if len(cert.DNSNames) > 0 {
				words["host"] = plain(cert.DNSNames[0])
			}
			if by := plain(cert.Issuer.CommonName); by != "" {
				words["authority"] = by
			} else if len(cert.Issuer.Organization) > 0 {
				words["authority"] = plain(cert.Issuer.Organization[0])
			}
		}
		return &Fault{Text: "The certificate shown for {host} is signed by {authority}, which this computer does not trust. If a proxy of your company inspects connections, save its authority's certificate as a PEM file and enter that file's path in Setup.", Key: KeyCAFile, Words: words, Err: err}
	case errors.Is(err, context.Canceled):
		return nil
	case errors.As(err, &name) && name.IsNotFound:
		return &Fault{Text: "There is no host named {host}. Check its spelling; if this network has a proxy, enter it in Setup.", Words: map[string]string{"host": plain(name.Name)}, Err: err}
	case errors.As(err, &name), errors.As(err, &dial) && dial.Op == "dial" && !loopback(dial.Addr):
		return &Fault{Text: Direct, Err: err}
	}
	return nil
}

// Is reports whether a connection failed with errno, which Windows counts by
// numbers of its own.
func Is(err error, errno syscall.Errno) bool {
	return errors.Is(err, errno) || runtime.GOOS == "windows" && errors.Is(err, winsock[errno])
}

// winsock is errno as Winsock has it ("Windows Sockets Error Codes").
var winsock = map[syscall.Errno]syscall.Errno{
	syscall.ECONNREFUSED: 10061, syscall.ECONNRESET: 10054, syscall.EHOSTUNREACH: 10065, syscall.ENETUNREACH: 10051,
}

// Direct is the text of the fault that something can't be reached without a
// proxy.
const Direct = "It can't be reached directly. Check this computer's connection; if this network has a proxy, enter it in Setup."

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// plain is a name out of a stranger's certificate, on one short line.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == '{' || r == '}' {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > 80 {
		s = string(runes[:80])
	}
	return s
}
