package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// Running is a provider that serves on a port of its own.
type Running struct {
	Issuer   string    // its URL, for example http://127.0.0.1:40321
	Provider *Provider // for tests

	done chan struct{}
	err  error // why it ended; read after done is closed
}

// Start serves a new provider on addr, a loopback address such as
// "127.0.0.1:0", until ctx ends.
func Start(ctx context.Context, addr string) (*Running, error) {
	listener, err := Listen(addr)
	if err != nil {
		return nil, err
	}
	issuer := "http://" + listener.Addr().String()
	provider, err := New(issuer)
	if err != nil {
		listener.Close()
		return nil, err
	}
	server := &http.Server{
		Handler:           provider,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	running := &Running{Issuer: issuer, Provider: provider, done: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	go func() {
		defer close(running.done)
		defer stop()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			running.err = fmt.Errorf("demo provider: %w", err)
		}
	}()
	return running, nil
}

// Wait returns once the provider has stopped: nil if it was told to.
func (r *Running) Wait() error {
	<-r.done
	return r.err
}

// Listen opens addr, which must be a loopback address.
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("demo provider: %w", err)
	}
	notHere := errors.New("the demo provider listens on loopback only, for example 127.0.0.1:0")
	if !hostname.Loopback(host) {
		return nil, notHere
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("demo provider: %w", err)
	}
	// A name can lead anywhere, so what was really opened is looked at too.
	if tcp, ok := listener.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		listener.Close()
		return nil, notHere
	}
	return listener, nil
}
