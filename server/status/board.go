package status

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// Board holds the newest events in memory and wakes those who watch. A wake
// carries no data: who is woken reads again what it shows. Tool calls wake no
// watcher; a [Follower] sees them all the same.
type Board struct {
	now func() time.Time

	mu        sync.Mutex // guards all below
	history   History
	watchers  map[chan struct{}]struct{}
	followers map[*Follower]struct{}
}

// NewBoard returns an empty board; now gives an event its time.
func NewBoard(now func() time.Time) *Board {
	return &Board{
		now:       now,
		watchers:  make(map[chan struct{}]struct{}),
		followers: make(map[*Follower]struct{}),
	}
}

// Prepare returns ev as it may be stored and shown: with a time (UTC, whole
// milliseconds) and a random ID where it has none, and its texts cleaned and
// cut (see [Clean]).
func (b *Board) Prepare(ev Event) Event {
	if ev.Time.IsZero() {
		ev.Time = b.now()
	}
	ev.Time = ev.Time.UTC().Truncate(time.Millisecond)
	if ev.ID == "" {
		ev.ID = NewID()
	}
	ev.ID = Clean(ev.ID, 32)
	ev.Type = Clean(ev.Type, 32)
	ev.Outcome = Clean(ev.Outcome, 16)
	ev.User = Clean(ev.User, 254) // the longest e-mail address (RFC 5321 §4.5.3.1)
	ev.Client = Clean(ev.Client, 80)
	ev.Session = Clean(ev.Session, 64)
	ev.Tool = Clean(ev.Tool, 128) // the longest tool name MCP allows
	ev.Reason = Clean(ev.Reason, 300)
	ev.Remote = Clean(ev.Remote, 64)
	if len(ev.RedirectURI) > maxRedirectURI || strings.Contains(ev.RedirectURI, "?") || Clean(ev.RedirectURI, maxRedirectURI) != ev.RedirectURI {
		ev.RedirectURI = "" // whole or not at all
	}
	return ev
}

// maxRedirectURI is how long a redirect URI may be, in bytes, to be kept.
const maxRedirectURI = 500

// NewID returns ten characters that a person can read out: 50 random bits,
// enough to tell a few thousand things apart. It protects nothing.
func NewID() string { return strings.ToLower(rand.Text()[:10]) }

// Publish adds events that [Board.Prepare] returned, in their order, and wakes
// the watchers unless all are tool calls. The board keeps the pointers: what
// was published is never changed again.
func (b *Board) Publish(events ...*Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wake := false
	for _, ev := range events {
		b.history.Add(ev)
		wake = wake || ev.Type != ToolCalled
	}
	for f := range b.followers {
		f.push(events)
	}
	if wake {
		b.wake()
	}
}

// Restore adds events of an earlier run, oldest first, and wakes nobody.
func (b *Board) Restore(events []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range events {
		b.history.Add(&events[i])
	}
}

// Events returns the events on the board, oldest first, never nil. The slice
// is the caller's.
func (b *Board) Events() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.history.Events()
}

// Watch returns a channel that holds at most one wake. It is closed when ctx
// ends.
func (b *Board) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	b.mu.Lock()
	b.watchers[ch] = struct{}{}
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, ch)
		close(ch)
	})
	return ch
}

// Wake tells the watchers that something changed which is no event.
func (b *Board) Wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake()
}

// wake needs b.mu.
func (b *Board) wake() {
	for ch := range b.watchers {
		select {
		case ch <- struct{}{}:
		default: // one is waiting already
		}
	}
}
