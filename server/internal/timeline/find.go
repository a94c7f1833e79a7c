package timeline

import (
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
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
	if from != nil && !counts(s.What) && from.class > bare {
		return nil // looks around anew; see absorb
	}
	return from
}

// findClient finds the attempt of a client, given the one of the source. The
// caller holds mu.
func (rec *Recorder) findClient(s seen, from *attempt) *attempt {
	id, kind := rec.hash(byClient, s.ClientID), s.What.kind()
	a := rec.byKey[id]
	switch {
	case a == nil || s.at.Sub(a.last) > window:
	case s.What == Authorized && a.flow: // a second sign-in of the same client
	case a == from, kind == authorize && !a.flow, kind == token && a.awaitsToken():
		return a
	}
	// Whoever else names this client is another attempt, but what this source
	// has begun.
	switch {
	case from == nil:
	case !from.flow && (from.clientID == 0 || from.clientID == id.hash || kind == registration):
		return from
	case from.clientID == id.hash && s.What != Authorized && s.What != Registered:
		return from
	}
	return nil
}

// awaitsToken reports whether the client's next step is the token endpoint.
func (a *attempt) awaitsToken() bool {
	return len(a.steps) > 0 && a.steps[len(a.steps)-1].what == ProviderDone
}

func (a *attempt) saw(w What) bool {
	return slices.ContainsFunc(a.steps, func(s step) bool { return s.what == w })
}

func (a *attempt) sawOnly(these []What) bool {
	return !slices.ContainsFunc(a.steps, func(s step) bool { return !slices.Contains(these, s.what) })
}

// record takes s in. It is the one way in.
func (rec *Recorder) record(s seen) {
	rec.mu.Lock()
	if s.What.Outcome() != status.OK {
		rec.refused[string(s.What)]++
	}
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
	if s.What == Issued || s.What == Vouched || s.What == Called {
		rec.fold(a)
	}
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
	if a == nil && s.What == Authorized {
		a = rec.adopt(s)
	}
	if a == nil {
		a = rec.begin(s)
	}
	from := rec.source(s)
	if before := rec.byKey[from]; before != nil && before != a {
		if before.class == bare && before.clientID == 0 && a.class+classOf(s.What) > bare && s.at.Sub(before.last) <= window && s.What != Registered {
			a.absorb(before)
			rec.forget(before)
		} else if a.class == bare {
			a.follows(before)
		}
	}
	rec.name(a, from)
	if classOf(s.What) > bare && !s.browser {
		rec.gather(a, s)
	}
	return a
}

func (rec *Recorder) begin(s seen) *attempt {
	return &attempt{id: status.NewID(), started: s.at, last: s.at, remote: s.remote, agent: s.agent, browser: s.browser, calls: new(tally)}
}

// follows notes what a source that looks around has been before.
func (a *attempt) follows(before *attempt) {
	switch {
	case before.ended, before.after:
		a.after, a.why, a.client, a.user = true, before.why, before.client, before.user
	case before.connected(), before.again:
		a.again = true
	}
}

// connected reports whether a call of a's has come through.
func (a *attempt) connected() bool { return a.saw(Called) }

// isBrowser reports whether a person's browser sent r, not a program.
func isBrowser(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") || r.Header.Get("Sec-Fetch-Mode") == "navigate"
}
