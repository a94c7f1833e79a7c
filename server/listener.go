package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// listener is the public one on loopback. It outlives a configuration, so that
// a changed one turns nobody away.
type listener struct {
	net     net.Listener
	asked   string // the address as configured
	local   string // http://ADDR
	srv     *http.Server
	handler atomic.Pointer[http.Handler]
}

// listen takes addr. It answers as soon as it is served.
func (a *app) listen(addr string) (*listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("can't listen on %s: %w. Stop what uses that address, or choose another with --listen", addr, err)
	}
	d := &listener{net: l, asked: addr, local: "http://" + l.Addr().String()}
	d.lead(http.HandlerFunc(notServing))
	d.srv = a.httpServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) }))
	return d, nil
}

// at reports whether l listens on addr.
func (l *listener) at(addr string) bool {
	return l != nil && (addr == l.asked || "http://"+addr == l.local)
}

// lead hands requests to h from now on.
func (l *listener) lead(h http.Handler) { l.handler.Store(&h) }

// serve answers until l is drained; failed hears if it ends otherwise.
func (l *listener) serve(failed func(error)) {
	if err := l.srv.Serve(l.net); !errors.Is(err, http.ErrServerClosed) {
		failed(fmt.Errorf("serve %s: %w", l.local, err))
	}
}

// drain lets requests finish for five seconds, and closes l.
func (l *listener) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if l.srv.Shutdown(ctx) != nil {
		_ = l.srv.Close()
	}
	_ = l.net.Close() // if it was never served
}

// httpServer has the limits of the public listener, on loopback and in the
// tunnel.
func (a *app) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		// A slow body and a client that does not read its answer. The gateway
		// lifts both for calls that take longer.
		ReadTimeout:    30 * time.Second,
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
		BaseContext:    func(net.Listener) context.Context { return a.streams },
		ErrorLog:       newServeLog(a.opts.Log),
	}
}
