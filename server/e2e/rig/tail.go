package rig

import (
	"strings"
	"sync"
)

// Tail keeps what a program wrote, up to a megabyte, for the report of a
// failed test and for tests that look into logs.
type Tail struct {
	mu  sync.Mutex // guards all
	all []byte
}

func (w *Tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, p...)
	if over := len(w.all) - 1<<20; over > 0 {
		w.all = append([]byte(nil), w.all[over:]...)
	}
	return len(p), nil
}

// String returns everything kept.
func (w *Tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.all)
}

// Contains reports whether s was written.
func (w *Tail) Contains(s string) bool { return strings.Contains(w.String(), s) }
