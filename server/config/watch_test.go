package config

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "config.toml"), filepath.Join(dir, "later", "mcp.json")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(one, "a")
	ctx, cancel := context.WithCancel(t.Context())
	calls, done := make(chan struct{}), make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(done)
		close(ready)
		watch(ctx, []string{one, two}, 10*time.Millisecond, func() { calls <- struct{}{} })
	}()
	<-ready
	expect := func(what string) {
		t.Helper()
		select {
		case <-calls:
		case <-time.After(20 * time.Second):
			t.Fatalf("no call after %s", what)
		}
	}
	// Until the watcher stands, a change may come before its first look.
	for i := 0; ; i++ {
		write(one, "start"+string(rune('a'+i%26))+time.Now().String())
		select {
		case <-calls:
		case <-time.After(200 * time.Millisecond):
			continue
		}
		break
	}
	quiet := func() {
		for {
			select {
			case <-calls:
				continue
			case <-time.After(500 * time.Millisecond):
			}
			return
		}
	}
	quiet()
	write(two, "{}")
	expect("a file came")
	if err := WriteFile(one, []byte("renamed over")); err != nil {
		t.Fatal(err)
	}
	expect("a rename")
	write(one, "after the rename")
	expect("a change of the renamed file")
	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	expect("a file went")
	quiet()
	write(one, "after the rename") // the same bytes
	write(filepath.Join(dir, "other"), "x")
	select {
	case <-calls:
		t.Error("a call without a change")
	case <-time.After(150 * time.Millisecond):
	}
	cancel()
	<-done
}
