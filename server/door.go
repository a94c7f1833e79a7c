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

// door is the public side's listener on loopback. It outlives a site, so that a
// changed configuration turns nobody away.
type door struct {
	asked    string // the address as configured
	listener net.Listener
	local    string // http://ADDR
	srv      *http.Server
	handler  atomic.Pointer[http.Handler]
}

func openDoor(s *Server, addr string) (*door, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("can't listen on %s: %w. Stop what uses that address, or choose another with --listen", addr, err)
	}
	d := &door{asked: addr, listener: l, local: "http://" + l.Addr().String()}
	d.lead(http.HandlerFunc(notServing))
	d.srv = s.httpServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) }))
	return d, nil
}

// at reports whether d listens on addr.
func (d *door) at(addr string) bool {
	return d != nil && (addr == d.asked || "http://"+addr == d.local)
}

// lead hands requests to h from now on.
func (d *door) lead(h http.Handler) { d.handler.Store(&h) }

// drain lets requests finish for five seconds.
func (d *door) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if d.srv.Shutdown(ctx) != nil {
		_ = d.srv.Close()
	}
}

func (d *door) close() {
	_ = d.srv.Close()
	_ = d.listener.Close() // if it never served
}

// serveDoor serves d until it is closed. A door that fails ends Run.
func (s *Server) serveDoor(d *door) {
	if d == nil {
		return
	}
	s.doors.Go(func() error {
		if err := d.srv.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			select {
			case s.broken <- fmt.Errorf("serve %s: %w", d.local, err):
			default:
			}
		}
		return nil
	})
}

func (s *Server) currentDoor() *door {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.door
}

// httpServer has the limits of the public side, on loopback and in the tunnel.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		// A slow body and a client that does not read its answer. The gateway
		// lifts both for calls that take longer.
		ReadTimeout:    30 * time.Second,
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
		BaseContext:    func(net.Listener) context.Context { return s.streams },
		ErrorLog:       newServeLog(s.opts.Log),
	}
}
