// Package pins remembers what a mounted server offered when it was first used,
// what each tool, prompt, template and its instructions looked like, and notices
// what looks otherwise or was not there: a server that was updated, or one that
// turned bad and tells the model something new.
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

// Item is something a server offers. Kind is tool, prompt, template or
// instructions, which have no name.
type Item struct {
	Kind, Name string
	Raw        json.RawMessage // the whole object as the server sent it
}

// Change is something that is no longer what was approved, or is new.
type Change struct {
	Server  string
	Kind    string
	Name    string
	Version string // of the new look, for Approve
	Old     string // what a model read, in lines, as [status.Spell] writes; "" if it is new
	New     string
	Long    bool // New is cut, so that it can't be approved
}

var (
	// ErrUnknown says that nothing of this name waits for approval.
	ErrUnknown = errors.New("nothing of this name has changed, or it was approved already")
	// ErrNewer says that it has changed again since it was shown.
	ErrNewer = errors.New("it has changed again meanwhile: look at it once more, then approve it")
	// ErrLong says that nobody was shown all of it.
	ErrLong = errors.New("it says more than can be shown, so it can't be approved: take the server out of mcp.json, or set hold_changes = false for it")
)

// Options make a [Pins].
type Options struct {
	Saver   oauth.Saver
	Records oauth.Records
	// Holds reports whether a server's changes are held back; events say so.
	Holds func(server string) bool
	Now   func() time.Time
	Log   *slog.Logger
}

// Pins holds the pins. It is safe for concurrent use.
type Pins struct {
	opts Options

	mu   sync.Mutex // guards all below, and is held while pins are saved
	pins map[id]*pin
	size map[string]int  // pins of each server
	used map[string]bool // servers whose first catalog was seen
}

type id struct{ server, kind, name string }

// pin is what is remembered of one item, and its record.
type pin struct {
	Version int       `json:"v"`
	Server  string    `json:"server"`
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Look    look      `json:"look"` // as approved; empty if it is an addition
	Since   time.Time `json:"since"`

	// Next is how it looks now, if otherwise.
	Next *look `json:"next,omitempty"`
	// Announced is when the last event was recorded, so that one which changes to
	// and fro does not fill the history.
	Announced time.Time `json:"announced,omitzero"`
	Untold    bool      `json:"untold,omitempty"` // Next is to be told when quietTime is over
}

const pinVersion = 1

// firstUse is the kind of the record that says that a server's first catalog was
// seen. Records of before there were such are of tools only.
const firstUse = "first use"

// quiet reports whether nothing was recorded about p lately.
func (p *pin) quiet(now time.Time) bool { return now.Sub(p.Announced) >= quietTime }

// quietTime is the least between two events about one item.
const quietTime = 10 * time.Minute

// Open reads the pins that last.
func Open(o Options) (*Pins, error) {
	ps := &Pins{opts: o, pins: map[id]*pin{}, size: map[string]int{}, used: map[string]bool{}}
	err := o.Records.Load(Bucket, func(key string, value []byte) error {
		var p pin
		if err := oauth.ReadRecord(Bucket, value, &p); err != nil {
			return err
		}
		ps.put(&p)
		return nil
	})
	return ps, err
}

// put needs ps.mu, except in Open.
func (ps *Pins) put(p *pin) {
	if p.Kind == firstUse {
		ps.used[p.Server] = true
		return
	}
	if _, ok := ps.pins[p.id()]; !ok {
		ps.size[p.Server]++
	}
	ps.pins[p.id()] = p
}

func (p *pin) id() id { return id{p.Server, p.Kind, p.Name} }

// Check compares all that a server offers now with what is remembered. What its
// first catalog holds is remembered; from then on what is new is a change, too.
// Something that has begun to differ is an event, once. The states are those of
// items, in order. With an error, what should have been remembered was not, and
// the states are right all the same.
func (ps *Pins) Check(server string, items ...Item) ([]State, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	now := ps.opts.Now().UTC()
	states := make([]State, len(items))
	next := map[id]*pin{} // to be saved
	if !ps.used[server] && len(items) > 0 {
		next[id{server, firstUse, ""}] = &pin{Version: pinVersion, Server: server, Kind: firstUse, Since: now}
	}
	added := 0
	var told []*pin
	for i, item := range items {
		key := id{server, item.Kind, item.Name}
		p := next[key]
		if p == nil {
			p = ps.pins[key]
		}
		seen := lookOf(item)
		switch {
		case p == nil && (ps.size[server]+added >= maxPins || status.Clean(item.Name, maxName) != item.Name):
			states[i] = Changed
			ps.opts.Log.Warn("can't be remembered: too many, or a name that can't be shown", "server", server, "kind", item.Kind)
			continue
		case p == nil && ps.isFirst(server, item.Kind):
			states[i] = New
			next[key] = &pin{Version: pinVersion, Server: server, Kind: item.Kind, Name: item.Name, Look: seen.short(), Since: now}
			added++
			continue
		case p == nil:
			p = &pin{Version: pinVersion, Server: server, Kind: item.Kind, Name: item.Name}
			added++
		case p.Look.same(seen):
			if p.Next != nil || p.Look.Set != seen.Set { // it is again what it was, or has an older record
				p = p.with(nil)
				p.Look.Set = seen.Set
				next[key] = p
			}
			continue
		case p.Next != nil && p.Next.same(seen) && !(p.Untold && p.quiet(now)):
			states[i] = Changed
			continue
		}
		states[i] = Changed
		changed := p.with(&seen)
		if changed.Untold = !p.quiet(now); !changed.Untold {
			changed.Announced = now
			told = append(told, changed)
		}
		next[key] = changed
	}
	return states, ps.save(next, ps.events(server, told)...)
}

// isFirst reports whether what a server offers of a kind is seen for the first
// time. It needs ps.mu.
func (ps *Pins) isFirst(server, kind string) bool {
	return !ps.used[server] && (kind != "tool" || ps.size[server] == 0)
}

// with is a copy of p that looks otherwise now, or as approved if next is nil.
func (p *pin) with(next *look) *pin {
	c := *p
	c.Next, c.Untold = next, false
	return &c
}

// maxTold is how many changes are events of their own; more at once are one.
const maxTold = 5

// events tell of changes. Names are the server's choice: the board cleans them.
func (ps *Pins) events(server string, told []*pin) []status.Event {
	var list []status.Event
	if len(told) > maxTold {
		list = append(list, status.Event{Tool: server, Reason: fmt.Sprintf("The server %s offers %d things that are new, or no longer what they were.", server, len(told))})
	} else {
		for _, p := range told {
			e := status.Event{Tool: strings.TrimSuffix(p.Server+"/"+p.Name, "/")}
			switch {
			case p.Kind == "instructions":
				e.Reason = "The server's instructions to every model are no longer what they were."
			case p.Look.Hash == "":
				e.Reason = fmt.Sprintf("The %s is new: the server did not offer it before.", p.Kind)
			default:
				e.Reason = fmt.Sprintf("The %s is no longer what it was: %s.", p.Kind, differs(p.Look, *p.Next))
			}
			list = append(list, e)
		}
	}
	for i := range list {
		list[i].Type, list[i].Outcome = status.ServerChanged, status.OK
		if ps.opts.Holds(server) {
			list[i].Outcome = status.Refused
			list[i].Reason += " Held back until you approve it."
		}
	}
	return list
}

// save needs ps.mu.
func (ps *Pins) save(pins map[id]*pin, events ...status.Event) error {
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

// Approve takes the new look of something for the one to be, of whichever kind
// it is. version is that of the [Change] that was shown; it returns [ErrUnknown],
// [ErrNewer] or [ErrLong].
func (ps *Pins) Approve(server, name, version string) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	err := ErrUnknown
	approved := map[id]*pin{}
	for key, p := range ps.pins {
		switch {
		case key.server != server || key.name != name || p.Next == nil:
		case p.Next.Hash != version:
			err = ErrNewer
		case p.Next.Long:
			return ErrLong
		default:
			next := p.with(nil)
			next.Look, next.Since, next.Announced = p.Next.short(), ps.opts.Now().UTC(), time.Time{}
			approved[key] = next
		}
	}
	if len(approved) == 0 {
		return err
	}
	return ps.save(approved)
}

// List returns what has changed and is not approved, by server, kind and name;
// never nil.
func (ps *Pins) List() []Change {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	list := []Change{}
	for _, p := range ps.pins {
		if p.Next != nil {
			list = append(list, Change{Server: p.Server, Kind: p.Kind, Name: p.Name, Version: p.Next.Hash,
				Old: p.Look.Text, New: p.Next.Text, Long: p.Next.Long})
		}
	}
	slices.SortFunc(list, func(x, y Change) int {
		return strings.Compare(x.Server+"\x00"+x.Kind+"\x00"+x.Name, y.Server+"\x00"+y.Kind+"\x00"+y.Name)
	})
	return list
}
