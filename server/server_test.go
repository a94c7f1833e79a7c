package server

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
)

// It is stopped after another address was configured and before that is served:
// the one before is let go of as well.
func TestStoppedAmidANewAddress(t *testing.T) {
	streams, stop := context.WithCancel(context.Background())
	a := &app{opts: Options{Log: slog.New(slog.DiscardHandler)}, streams: streams, stop: stop}
	s := &Server{app: a, broken: make(chan error, 1), changed: make(chan struct{}, 1)}
	before, err := a.listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	next, err := a.listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener = before
	ended := make(chan error)
	go func() { ended <- s.serveAll() }()
	resp, err := http.Get(before.local) // answered once it is served
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.mu.Lock()
	s.listener = next
	s.mu.Unlock()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := http.Get(before.local); err == nil {
		t.Error("the address before still answers")
	}
}
