package timeline

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
)

// class is how far an attempt has come. Attempts are bounded class by class,
// so that a flood of one class pushes out none of another: what costs a
// stranger nothing competes with what costs nothing.
type class int

const (
	bare       class = iota // looked around
	registered              // named a client: one request more
	consented               // has opened our consent page in a browser
	signedIn                // the provider has named a person: not to be had by strangers
	classes
)

// limit is how many attempts of a class are kept, and how many of them may be
// of one address: 200 in all.
var limits = [classes]struct{ all, byAddress int }{
	bare:       {30, 6},
	registered: {40, 8},
	consented:  {40, 10},
	signedIn:   {90, 90},
}

// classOf is how far what leads.
func classOf(w What) class {
	switch w {
	case ConsentShown, ConsentApproved, ConsentKept, ConsentDenied:
		return consented
	case ProviderDone, NotOnList, NotVerified, NotVouched, NoGroups, GroupsElsewhere, TooManyGroups, NobodyListed, Issued, Vouched, VouchBlocked, Refreshed, Called,
		CallExpired, CallEnded, CallResource, TokenReplayed: // these four with a token that we made
		return signedIn
	}
	if kind := w.kind(); kind == discovery || kind == call {
		return bare
	}
	return registered
}

// place puts a into the class it has reached and makes room there. The caller
// holds mu.
func (rec *Recorder) place(a *attempt, to class) {
	if slices.Contains(rec.classes[a.class], a) {
		if to <= a.class {
			return
		}
		rec.unplace(a)
	}
	a.class = max(a.class, to)
	limit, from := limits[a.class], network(a.remote)
	mine := slices.DeleteFunc(slices.Clone(rec.classes[a.class]), func(other *attempt) bool { return network(other.remote) != from })
	if len(mine) >= limit.byAddress {
		rec.forget(mine[0])
	}
	if len(rec.classes[a.class]) >= limit.all {
		rec.forget(rec.classes[a.class][0])
	}
	rec.classes[a.class] = append(rec.classes[a.class], a)
}

func (rec *Recorder) unplace(a *attempt) {
	rec.classes[a.class] = slices.DeleteFunc(rec.classes[a.class], func(other *attempt) bool { return other == a })
}

// forget drops a and everything that leads to it. The caller holds mu.
func (rec *Recorder) forget(a *attempt) {
	rec.unplace(a)
	for _, k := range a.keys {
		rec.release(a, k)
	}
	if rec.probes == a {
		rec.probes = nil
	}
}

// release takes away a key of a. The caller holds mu.
func (rec *Recorder) release(a *attempt, k key) {
	if rec.byKey[k] == a {
		delete(rec.byKey, k)
	}
	if k.kind == bySession {
		rec.live.Delete(k.session)
	}
}

// name makes a known under k. The caller holds mu.
func (rec *Recorder) name(a *attempt, k key) {
	if rec.byKey[k] == a {
		return
	}
	rec.byKey[k] = a
	if !slices.Contains(a.keys, k) {
		a.keys = append(a.keys, k)
	}
	if len(a.keys) > maxKeys {
		rec.release(a, a.keys[0])
		a.keys = a.keys[1:]
	}
}

// newestFirst returns all attempts. The caller holds mu.
func (rec *Recorder) newestFirst() []*attempt {
	var all []*attempt
	for _, list := range rec.classes {
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b *attempt) int { return cmp.Or(b.started.Compare(a.started), b.last.Compare(a.last)) })
	return all
}

// network is the [limit.Actor] of an address, but the cloud that Claude calls
// from counts as one, since it uses several addresses for one sign-in.
func network(address string) netip.Prefix {
	actor := limit.Actor(address)
	if actor.IsValid() && claudeCloud.Contains(actor.Addr()) {
		return claudeCloud
	}
	return actor
}

// claudeCloud is where claude.ai's requests come from, as Anthropic publishes
// it. It is a hint about what belongs together, and gives nobody a right.
var claudeCloud = netip.MustParsePrefix("160.79.104.0/21")
