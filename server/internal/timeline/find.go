package timeline

import (
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// key is by what an attempt is found again. Ids of clients and flows are kept
// as hashes under a seed of this run: they need not be read, only told apart.
type key struct {
	kind    keyKind
	hash    uint64
	session string // of bySession: it is shown anyway
}

type keyKind byte

const (
	bySource  keyKind = iota // address and user agent
	byClient                 // client id
	byFlow                   // authorization request
	bySession                // what came of it
)

// window is for how long requests of one source are taken for one attempt.
const window = 10 * time.Minute

// adoptWithin is how long before a person's browser came a client may have
// looked around from elsewhere.
const adoptWithin = 2 * time.Minute

// seen is one request, answered.
type seen struct {
	Facts
	at      time.Time
	remote  string
	agent   string
	browser bool
}

func (rec *Recorder) hash(kind keyKind, text string) key {
	return key{kind: kind, hash: maphash.String(rec.seed, text)}
}

// source is the key of where s came from. Parts of Claude's cloud call
// themselves differently, so its agent does not count.
func (rec *Recorder) source(s seen) key {
	from := network(s.remote)
	if from == claudeCloud {
		return rec.hash(bySource, from.String())
	}
	return rec.hash(bySource, from.String()+"\x00"+s.agent)
}

// find returns the attempt that s belongs to, nil if it begins one. What names
// a flow or a session is sure; a client's id can be public, so it counts
// together with where it comes from. The caller holds mu.
func (rec *Recorder) find(s seen) *attempt {
	if s.Flow != "" {
		if a := rec.byKey[rec.hash(byFlow, s.Flow)]; a != nil {
			return a
		}
	}
	if s.Session != "" {
		return rec.byKey[key{kind: bySession, session: s.Session}] // else of a sign-in before this run
	}
	from := rec.byKey[rec.source(s)]
	if from != nil && s.at.Sub(from.last) > window {
		from = nil
	}
	if s.ClientID != "" {
		return rec.findClient(s, from)
	}
	switch {
	case from == nil:
		return nil
	case natures[s.What].kind == discovery && !joins(s.What) && from.class > bare:
		return nil // looks around anew; see absorb
	}
	return from
}

// joins reports whether what is seen before a client is known, but ends an
// attempt that has come further.
func joins(w What) bool { return w == WrongOrigin || w == WrongHost || w == Limited || w == NotReady }

// findClient finds the attempt of a client. The caller holds mu.
func (rec *Recorder) findClient(s seen, from *attempt) *attempt {
	id := rec.hash(byClient, s.ClientID)
	a := rec.byKey[id]
	fresh := a != nil && s.at.Sub(a.last) <= window
	switch {
	case s.What == Authorized && a != nil && a.flow:
		// A second sign-in of the same client.
	case fresh && a == from, fresh && natures[s.What].kind == authorize && !a.flow:
		return a
	case fresh && natures[s.What].kind == token && a.awaitsToken():
		return a
	case a != nil && natures[s.What].kind != authorize:
		// Somebody else names this client: an attempt of its own.
	}
	if from != nil && !from.flow && (from.clientID == 0 || natures[s.What].kind == registration || from.clientID == id.hash) {
		return from
	}
	if s.What != Authorized && s.What != Registered && from != nil && from.clientID == id.hash {
		return from
	}
	return nil
}

// awaitsToken reports whether the client's next step is the token endpoint.
func (a *attempt) awaitsToken() bool {
	return len(a.steps) > 0 && a.steps[len(a.steps)-1].what == ProviderDone
}

// adopt returns the attempt of a client that looked around before a person's
// browser came with s: at the same address, from the cloud that its id names,
// or the only one there is. The caller holds mu.
func (rec *Recorder) adopt(s seen) *attempt {
	var found []*attempt
	for _, a := range rec.classes[bare] {
		if a == rec.probes || s.at.Sub(a.last) > adoptWithin || !a.saw(Metadata) {
			continue
		}
		if network(a.remote) == network(s.remote) || network(a.remote) == claudeCloud && isClaude(s.ClientID) {
			return a
		}
		found = append(found, a)
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}

// isClaude reports whether a client's id is an address of Anthropic's.
func isClaude(id string) bool {
	u, err := url.Parse(id)
	return err == nil && (u.Hostname() == "claude.ai" || u.Hostname() == "claude.com")
}

func (a *attempt) saw(w What) bool {
	for _, s := range a.steps {
		if s.what == w {
			return true
		}
	}
	return false
}

// record takes s in. It is the one way in.
func (rec *Recorder) record(s seen) {
	rec.mu.Lock()
	a := rec.attemptOf(s)
	a.learn(s.Facts)
	if a.browser && !s.browser {
		a.remote, a.agent, a.browser = s.remote, s.agent, false
	}
	if s.ClientID != "" && a != rec.probes {
		id := rec.hash(byClient, s.ClientID)
		a.clientID = id.hash
		rec.name(a, id)
	}
	if s.Flow != "" {
		a.flow = true
		rec.name(a, rec.hash(byFlow, s.Flow))
	}
	a.add(step{at: s.at, what: s.What, args: s.args(), n: 1})
	rec.place(a, classOf(s.What))
	if s.Session != "" {
		rec.name(a, key{kind: bySession, session: s.Session})
	}
	rec.settle(a, s)
	wake := rec.changed(a, s.at)
	rec.mu.Unlock()
	wake()
}

// attemptOf finds or begins the attempt of s. The caller holds mu.
func (rec *Recorder) attemptOf(s seen) *attempt {
	if s.What == Probed {
		if rec.probes == nil {
			rec.probes = rec.begin(s)
			rec.probes.agent = ""
		}
		rec.probes.remote = s.remote
		return rec.probes
	}
	a := rec.find(s)
	if a == nil {
		if s.What == Authorized {
			a = rec.adopt(s)
		}
		if a == nil {
			a = rec.begin(s)
		}
	}
	from := rec.source(s)
	if before := rec.byKey[from]; before != nil && before != a {
		if before.class == bare && before.clientID == 0 && a.class+classOf(s.What) > bare && s.at.Sub(before.last) <= window && s.What != Registered {
			a.absorb(before)
			rec.forget(before)
		} else if before.connected() || before.again {
			a.again = a.class == bare
		}
	}
	rec.name(a, from)
	if classOf(s.What) > bare && !s.browser {
		rec.gather(a, s)
	}
	return a
}

// gatherWithin is how close together two agents of one program look around.
const gatherWithin = 30 * time.Second

// gather takes into a what the same program looked at under another name:
// parts of mcp-remote call themselves "node" and "undici". The caller holds mu.
func (rec *Recorder) gather(a *attempt, s seen) {
	for _, b := range slices.Clone(rec.classes[bare]) {
		if b != a && b != rec.probes && b.clientID == 0 && !b.browser && b.onlyLooked() &&
			s.at.Sub(b.last) <= gatherWithin && network(b.remote) == network(s.remote) {
			a.absorb(b)
			rec.forget(b)
		}
	}
}

// onlyLooked reports whether nothing but metadata and challenges was seen.
func (a *attempt) onlyLooked() bool {
	for _, s := range a.steps {
		switch s.what {
		case Challenged, Resource, Metadata, Missing:
		default:
			return false
		}
	}
	return true
}

func (rec *Recorder) begin(s seen) *attempt {
	return &attempt{id: newID(), started: s.at, last: s.at, remote: s.remote, agent: s.agent, browser: s.browser, calls: new(atomic.Int64)}
}

// connected reports whether a call of a's has come through.
func (a *attempt) connected() bool { return a.saw(Called) }

// isBrowser reports whether a person's browser sent r, not a program.
func isBrowser(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") || r.Header.Get("Sec-Fetch-Mode") == "navigate"
}
