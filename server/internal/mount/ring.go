package mount

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// What is kept of a server's stderr and of what Drawbridge says of it.
const (
	ringLines = 1000
	ringBytes = 256 << 10
	ringLine  = 1000 // runes of one line
)

// ring keeps the newest lines.
type ring struct {
	now func() time.Time

	mu    sync.Mutex // guards all below
	lines []Line
	size  int // bytes of the texts
}

// add keeps what the server wrote.
func (r *ring) add(text string) { r.put(Line{Text: status.Clean(text, ringLine)}) }

// say keeps what Drawbridge says of the server.
func (r *ring) say(format string, args ...any) {
	r.put(Line{Text: status.Clean(fmt.Sprintf(format, args...), ringLine), Own: true})
}

func (r *ring) put(l Line) {
	l.Time = r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	r.size += len(l.Text)
	drop := 0
	for len(r.lines)-drop > ringLines || r.size > ringBytes {
		r.size -= len(r.lines[drop].Text)
		drop++
	}
	// Appending copies once in a while, which frees what was dropped.
	clear(r.lines[:drop])
	r.lines = r.lines[drop:]
}

func (r *ring) all() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}
