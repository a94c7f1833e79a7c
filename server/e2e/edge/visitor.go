package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// visitor is a connection of somebody on the internet. It has connections of
// its own to agents, since these carry its address.
type visitor struct {
	mu        sync.Mutex // guards transport
	transport *http.Transport
}

type visitorKey struct{}

// visitorConns finds a visitor again when its connection ends.
var visitorConns sync.Map // net.Conn → *visitor

func withVisitor(ctx context.Context, c net.Conn) context.Context {
	v := &visitor{}
	visitorConns.Store(c, v)
	return context.WithValue(ctx, visitorKey{}, v)
}

func endVisitor(c net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	if v, ok := visitorConns.LoadAndDelete(c); ok {
		v := v.(*visitor)
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.transport != nil {
			v.transport.CloseIdleConnections()
		}
	}
}

// toAgents is how the visitor's requests go on.
func (v *visitor) toAgents(e *Edge, client string, idle time.Duration) *http.Transport {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.transport == nil {
		v.transport = &http.Transport{DisableCompression: true, IdleConnTimeout: 5 * time.Second,
			DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				conn, err := e.Raw(host, client)
				if err != nil || idle == 0 {
					return conn, err
				}
				return &idling{Conn: conn, after: idle}, nil
			}}
	}
	return v.transport
}

// visit passes a visitor's request on as ngrok documents it: it appends to
// X-Forwarded-For and -Proto, and keeps an X-Forwarded-Host that was sent.
func (e *Edge) visit(w http.ResponseWriter, r *http.Request) {
	o := e.options()
	host, _, _ := strings.Cut(r.TLS.ServerName, ":")
	if !e.Online(host) {
		own(w, http.StatusNotFound, "ERR_NGROK_3200", "The endpoint "+host+" is offline.")
		return
	}
	if o.Interstitial && isBrowser(r) {
		own(w, http.StatusOK, "ERR_NGROK_6024", "You are about to visit "+host+".")
		return
	}
	_ = http.NewResponseController(w).EnableFullDuplex() // an answer may begin while the end of the body is still looked for
	proxy := &httputil.ReverseProxy{
		ErrorLog:      log.New(io.Discard, "", 0),
		FlushInterval: -1, // no buffering
		Transport:     r.Context().Value(visitorKey{}).(*visitor).toAgents(e, r.RemoteAddr, o.Idle),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", host+":80" // whom to pass it to; Host stays the visitor's
			p.Out.Host = r.Host
			ip, _, _ := net.SplitHostPort(r.RemoteAddr)
			h := p.Out.Header
			for name, value := range map[string]string{"X-Forwarded-For": ip, "X-Forwarded-Proto": "https"} {
				h.Set(name, strings.Join(append(p.In.Header.Values(name), value), ", "))
			}
			h["X-Forwarded-Host"] = p.In.Header["X-Forwarded-Host"]
			if len(h["X-Forwarded-Host"]) == 0 {
				h.Set("X-Forwarded-Host", r.Host)
			}
			h["Forwarded"] = p.In.Header["Forwarded"]
		},
		ModifyResponse: func(resp *http.Response) error {
			if o.Clock != nil {
				resp.Header.Set("Date", o.Clock().UTC().Format(http.TimeFormat))
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			own(w, http.StatusBadGateway, "ERR_NGROK_3004", err.Error())
		},
	}
	proxy.ServeHTTP(w, r)
}

// isBrowser reports whether r would get the free plan's warning page.
func isBrowser(r *http.Request) bool {
	if _, err := r.Cookie("abuse_interstitial"); err == nil {
		return false
	}
	return strings.HasPrefix(r.UserAgent(), "Mozilla/") && r.Header.Get("Ngrok-Skip-Browser-Warning") == "" &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

// own is an answer of the edge itself.
func own(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Ngrok-Error-Code", code)
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!doctype html><title>%s</title><p>%s (%s)", code, text, code)
}

// idling is a connection that ends when nothing moves on it.
type idling struct {
	net.Conn
	after time.Duration
}

func (c *idling) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.after))
	n, err := c.Conn.Read(p)
	if err != nil && n == 0 {
		_ = c.Close()
		return 0, errors.New("the connection was idle, or has ended")
	}
	return n, err
}
