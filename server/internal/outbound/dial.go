package outbound

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// connectTime is how long a proxy may take for a CONNECT.
const connectTime = 15 * time.Second

// Dial connects to address, which is host:port, as an https URL of that host
// would be reached. TLS, if there is any, is the caller's.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	n = n.orEnvironment()
	by, err := n.proxy(ctx, &url.URL{Scheme: "https", Host: address})
	switch {
	case err != nil:
		return nil, err
	case by == nil:
		return n.dialer(connectTime)(ctx, network, address)
	case by.Scheme == "http" || by.Scheme == "https":
		return n.connect(ctx, by, address)
	}
	socks, err := proxy.FromURL(by, dialerFunc(n.dialer(connectTime)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", by.Scheme, errScheme)
	}
	return socks.(proxy.ContextDialer).DialContext(ctx, network, address)
}

// connect asks an HTTP proxy for a tunnel (RFC 9110 §9.3.6).
func (n *Network) connect(ctx context.Context, by *url.URL, target string) (net.Conn, error) {
	conn, err := n.dialer(connectTime)(ctx, "tcp", address(by))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(connectTime))
	if by.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: by.Hostname(), RootCAs: n.roots})
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = secure
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if by.User != nil {
		password, _ := by.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(by.User.Username()+":"+password)))
	}
	err = req.Write(conn)
	var resp *http.Response
	// Byte by byte: what follows the answer is the target's.
	if err == nil {
		resp, err = http.ReadResponse(bufio.NewReaderSize(oneByte{conn}, 16), req)
	}
	if err == nil {
		err = refusal(by, target, resp.StatusCode)
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	if !stop() {
		_ = conn.Close()
		return nil, ctx.Err()
	}
	return conn, conn.SetDeadline(time.Time{})
}

// oneByte reads no more than it is made to.
type oneByte struct{ net.Conn }

func (o oneByte) Read(p []byte) (int, error) { return o.Conn.Read(p[:min(len(p), 1)]) }

// dialerFunc is a dialer for the SOCKS library.
type dialerFunc func(context.Context, string, string) (net.Conn, error)

func (f dialerFunc) Dial(network, address string) (net.Conn, error) {
	return f(context.Background(), network, address)
}

func (f dialerFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}
