// Package pins remembers what each tool, prompt and resource of a mounted
// server looked like when it was first seen or approved, and notices when it
// looks otherwise: a server that was updated, or one that turned bad and tells
// the model something new in a description.
//
// It holds nothing back itself and knows no client. Start at [Pins].
package pins

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Bucket is where pins last.
const Bucket = "pins"

// maxPins bounds what one server can have remembered. What is beyond can't be
// vouched for, and counts as changed.
const maxPins = 2000

// maxName is the longest name that is remembered, in runes; URIs are long. A
// name with characters that hide or reorder text counts as changed as well.
const maxName = 1000

// State is how something compares with what is remembered.
type State int

// The states. Whoever holds changes back lets Same and New through alone.
const (
	Same State = iota
	New
	Changed
)

// Item is something a server offers. Kind is tool, prompt, resource or template.
type Item struct {
	Kind, Name string
	Raw        json.RawMessage // the whole object as the server sent it
}

// Change is something that is no longer what was approved.
type Change struct {
	Server  string    `json:"server"`
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Version string    `json:"version"` // of the new look, for Approve
	Time    time.Time `json:"time"`
	Old     string    `json:"old"` // what a model reads, in lines, cleaned and cut
	New     string    `json:"new"`
}

var (
	// ErrUnknown says that nothing of this name waits for approval.
	ErrUnknown = errors.New("nothing of this name has changed, or it was approved already")
	// ErrNewer says that it has changed again since it was shown.
	ErrNewer = errors.New("it has changed again meanwhile: look at it once more, then approve it")
)

// Options make a [Pins].
type Options struct {
	Saver   oauth.Saver
	Records oauth.Records
	// Holds reports whether a server's changes are held back; events say so. nil:
	// none are.
	Holds func(server string) bool
	Now   func() time.Time
	Log   *slog.Logger
}

// Pins holds the pins. It is safe for concurrent use.
type Pins struct {
	opts Options

	mu   sync.Mutex // guards pins, and is held while they are saved
	pins map[id]*pin
	size map[string]int // pins of each server
}

type id struct{ server, kind, name string }

// pin is what is remembered of one item, and its record.
type pin struct {
	Version int       `json:"v"`
	Server  string    `json:"server"`
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Look    look      `json:"look"` // as approved
	Since   time.Time `json:"since"`

	// Next is how it looks now, if otherwise.
	Next      *look     `json:"next,omitempty"`
	NextSince time.Time `json:"next_since,omitzero"`
	// Announced is when the last event was recorded, so that one which changes to
	// and fro does not fill the history.
	Announced time.Time `json:"announced,omitzero"`
}

const pinVersion = 1

// quietTime is the least between two events about one item.
const quietTime = 10 * time.Minute

// Open reads the pins that last.
func Open(o Options) (*Pins, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ps := &Pins{opts: o, pins: map[id]*pin{}, size: map[string]int{}}
	err := o.Records.Load(Bucket, func(key string, value []byte) error {
		var p pin
		if err := json.Unmarshal(value, &p); err != nil {
			return fmt.Errorf("read a record of %s: %w", Bucket, err)
		}
		if p.Version != pinVersion {
			return fmt.Errorf("a record of %s has version %d: it was written by a newer Drawbridge", Bucket, p.Version)
		}
		ps.put(&p)
		return nil
	})
	return ps, err
}

// put needs ps.mu, except in Open.
func (ps *Pins) put(p *pin) {
	if _, ok := ps.pins[p.id()]; !ok {
		ps.size[p.Server]++
	}
	ps.pins[p.id()] = p
}

func (p *pin) id() id { return id{p.Server, p.Kind, p.Name} }

// Check compares what a server offers now with what is remembered, and
// remembers what is new. One that has begun to differ is an event, once. The
// states are those of items, in order. With an error, what should have been
// remembered was not, and the states are right all the same.
func (ps *Pins) Check(server string, items ...Item) ([]State, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	states := make([]State, len(items))
	next := map[id]*pin{} // to be saved
	var events []status.Event
	for i, item := range items {
		key := id{server, item.Kind, item.Name}
		p := next[key]
		if p == nil {
			p = ps.pins[key]
		}
		now := ps.opts.Now().UTC()
		seen := lookOf(item)
		switch {
		case p == nil && (ps.size[server]+len(next) >= maxPins || status.Clean(item.Name, maxName) != item.Name):
			states[i] = Changed
			ps.opts.Log.Warn("can't be remembered: too many, or a name that can't be shown", "server", server, "kind", item.Kind)
		case p == nil:
			states[i] = New
			next[key] = &pin{Version: pinVersion, Server: server, Kind: item.Kind, Name: item.Name, Look: seen, Since: now}
		case p.Look.Hash == seen.Hash && p.Next == nil:
		case p.Look.Hash == seen.Hash: // it is again what it was
			next[key] = p.with(nil, now)
		case p.Next != nil && p.Next.Hash == seen.Hash:
			states[i] = Changed
		default:
			states[i] = Changed
			changed := p.with(&seen, now)
			if p.Next == nil && (p.Announced.IsZero() || now.Sub(p.Announced) >= quietTime) {
				changed.Announced = now
				events = append(events, ps.event(changed))
			}
			next[key] = changed
		}
	}
	return states, ps.save(next, events)
}

// with is a copy of p that looks otherwise now, or as approved if next is nil.
func (p *pin) with(next *look, now time.Time) *pin {
	c := *p
	c.Next, c.NextSince = next, now
	if next == nil {
		c.NextSince = time.Time{}
	}
	return &c
}

// event tells of a change. The name is the server's choice: the board cleans it.
func (ps *Pins) event(p *pin) status.Event {
	e := status.Event{Type: status.ServerChanged, Outcome: status.OK, Tool: p.Server + "/" + p.Name}
	e.Reason = fmt.Sprintf("The %s is no longer what it was: %s.", p.Kind, differs(p.Look, *p.Next))
	if ps.opts.Holds != nil && ps.opts.Holds(p.Server) {
		e.Outcome = status.Refused
		e.Reason += " It is held back until you approve it."
	}
	return e
}

// save needs ps.mu.
func (ps *Pins) save(pins map[id]*pin, events []status.Event) error {
	if len(pins) == 0 {
		return nil
	}
	var changes []oauth.Change
	for _, p := range pins {
		value, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("save pins: %w", err)
		}
		changes = append(changes, oauth.Change{Bucket: Bucket, Key: p.key(), Value: value})
	}
	if err := ps.opts.Saver.Save(changes, events...); err != nil {
		return fmt.Errorf("save pins: %w", err)
	}
	for _, p := range pins {
		ps.put(p)
	}
	return nil
}

// Approve takes the new look of something for the one to be. version is that of
// the [Change] that was shown; it returns [ErrUnknown] or [ErrNewer].
func (ps *Pins) Approve(server, kind, name, version string) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.pins[id{server, kind, name}]
	switch {
	case p == nil || p.Next == nil:
		return ErrUnknown
	case p.Next.Hash != version:
		return ErrNewer
	}
	approved := p.with(nil, time.Time{})
	approved.Look, approved.Since = *p.Next, ps.opts.Now().UTC()
	return ps.save(map[id]*pin{approved.id(): approved}, nil)
}

// List returns what has changed and is not approved, by server, kind and name;
// never nil.
func (ps *Pins) List() []Change {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	list := []Change{}
	for _, p := range ps.pins {
		if p.Next != nil {
			list = append(list, Change{Server: p.Server, Kind: p.Kind, Name: p.Name, Version: p.Next.Hash, Time: p.NextSince,
				Old: p.Look.Text, New: p.Next.Text})
		}
	}
	slices.SortFunc(list, func(x, y Change) int {
		return strings.Compare(x.Server+"\x00"+x.Kind+"\x00"+x.Name, y.Server+"\x00"+y.Kind+"\x00"+y.Name)
	})
	return list
}

// Forget removes what is remembered of a server: it begins anew.
func (ps *Pins) Forget(server string) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var changes []oauth.Change
	for key, p := range ps.pins {
		if key.server == server {
			changes = append(changes, oauth.Change{Bucket: Bucket, Key: p.key()})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := ps.opts.Saver.Save(changes); err != nil {
		return fmt.Errorf("forget pins: %w", err)
	}
	for key := range ps.pins {
		if key.server == server {
			delete(ps.pins, key)
		}
	}
	delete(ps.size, server)
	return nil
}
