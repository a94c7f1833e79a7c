package timeline

import (
	"net/url"
	"slices"
	"time"
)

// adoptWithin is how long before a person's browser came a client may have
// looked around from elsewhere.
const adoptWithin = 2 * time.Minute

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

// gatherWithin is how close together two agents of one program look around.
const gatherWithin = 30 * time.Second

// gather takes into a what the same program looked at under another name:
// parts of mcp-remote call themselves "node" and "undici". The caller holds mu.
func (rec *Recorder) gather(a *attempt, s seen) {
	for _, b := range slices.Clone(rec.classes[bare]) {
		if b != a && b != rec.probes && b.clientID == 0 && !b.browser && b.sawOnly(looks) &&
			s.at.Sub(b.last) <= gatherWithin && network(b.remote) == network(s.remote) {
			a.absorb(b)
			rec.forget(b)
		}
	}
}

// fold takes into a, which got its tokens, what the same program tried before by
// itself: many probe, register and wait for a person, and what came of that is
// told by what it led to. What is long past is only forgotten. The caller holds mu.
func (rec *Recorder) fold(a *attempt) {
	from := network(a.remote)
	for _, list := range [][]*attempt{rec.classes[bare], rec.classes[registered]} {
		for _, b := range slices.Clone(list) {
			same := b.agent == a.agent && (b.client == "" || b.client == a.client)
			near := b.clientID == 0 && b.client == "" && b.last.After(a.started.Add(-gatherWithin))
			if b == a || b == rec.probes || b.browser || network(b.remote) != from || !same && !near || !b.sawOnly(probes) {
				continue
			}
			if a.started.Sub(b.last) <= window {
				a.absorb(b)
			}
			rec.forget(b)
		}
	}
}

// What a program looks at by itself before a person has come for it, and what it
// may look for in vain besides.
var (
	looks  = []What{Challenged, Resource, Metadata, Missing}
	probes = append(slices.Clone(looks), AtRoot, AtSSE, Nearby, Guessed, Registered, RegisterNone, CallForged)
)
