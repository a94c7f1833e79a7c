package mount

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// noAnswer says why a request got no answer, and what to do.
func noAnswer(rawURL string, err error) *failure {
	return &failure{text: "can't be reached: " + whyNoAnswer(rawURL, err), kind: unreachable, cause: withoutURL(err)}
}

func whyNoAnswer(rawURL string, err error) string {
	host := "its host"
	u, parseErr := url.Parse(rawURL)
	if parseErr == nil && u.Host != "" {
		host = u.Host
	}
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var netErr net.Error
	switch {
	case strings.Contains(err.Error(), "proxyconnect"):
		return "the proxy of this network did not connect to " + host + ". Check `proxy` and `no_proxy` in [network] of config.toml."
	case errors.As(err, &authority) && authority.Cert != nil && authority.Cert.Subject.String() == authority.Cert.Issuer.String():
		return "its certificate is not trusted: it is self-signed. If it is the right server, name the certificate's PEM file as `ca_file` in [network] of config.toml."
	case errors.As(err, &authority):
		return "its certificate is not trusted: an authority signed it that this computer does not know. If it is your company's, name its PEM file as `ca_file` in [network] of config.toml."
	case errors.As(err, &name):
		return "its certificate is for another name than " + name.Host + namesOf(name.Certificate) + ". Correct the host in its URL in mcp.json."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet. Renew it there, or correct this computer's clock."
	case errors.As(err, &invalid):
		return "its certificate is not trusted: it is not made for a server. Get another one there."
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "it speaks http there, not https. Write http:// in its URL in mcp.json, or give its https port."
	case strings.Contains(err.Error(), "malformed HTTP"), spokeFirst(err):
		return "what is at " + host + " does not speak HTTP. Correct the port in its URL in mcp.json, or write https://."
	case errors.As(err, &alert), strings.Contains(err.Error(), "tls: "):
		return "it and Drawbridge found no common form of TLS. Check its TLS settings, and whether it demands a client's certificate."
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no host named " + dns.Name + ". Correct its URL in mcp.json, or connect the network or VPN that knows it."
	case errors.As(err, &dns):
		return "the host name " + dns.Name + " could not be looked up. Is this computer online?"
	case outbound.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + host + ". Start the server, or correct the port in its URL in mcp.json."
	case outbound.Is(err, syscall.EHOSTUNREACH), outbound.Is(err, syscall.ENETUNREACH):
		return "there is no way from here to " + host + ". Connect the network or VPN that it is in."
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return host + " does not answer. Is it running, and does a firewall let you reach it?"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), outbound.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(err.Error(), "server closed idle connection"):
		return "it closed the connection without an answer. Look into its own log."
	}
	return "the connection failed. Is it running, and is its URL in mcp.json right?"
}

// spokeFirst reports whether the server greeted before it was asked. Whether
// net/http takes a greeting for a malformed answer or drops the connection
// depends on which of the two came first.
func spokeFirst(err error) bool {
	return errors.Is(err, net.ErrClosed) || strings.HasSuffix(err.Error(), "readLoopPeekFailLocked: %!w(<nil>)")
}

// namesOf lists a few of the names that a certificate is for.
func namesOf(c *x509.Certificate) string {
	if c == nil || len(c.DNSNames) == 0 {
		return ""
	}
	return " (" + strings.Join(c.DNSNames[:min(len(c.DNSNames), 3)], ", ") + ")"
}

// withoutURL takes the URL out of an error of net/http: its query may hold a
// secret.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// redirect says where an answer sends to that was not followed, without user and
// query; nil if it sends nowhere.
func redirect(resp *http.Response) *failure {
	to, err := resp.Location()
	if err != nil {
		return nil
	}
	shown := url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}
	return &failure{text: "sends its callers to " + shown.String() + ". Put that URL into mcp.json, if it is the right one.", kind: lasting, status: resp.StatusCode}
}
