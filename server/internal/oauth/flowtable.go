package oauth

import (
	"container/list"
	"net/netip"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
)

// Bounds of what strangers can make us remember. A common flow is about two
// kilobytes; what a client may send with one makes it thirty at most.
const (
	maxFlows        = 10_000
	maxFlowBytes    = 32 << 20
	maxActorFlows   = 500
	modestFlowBytes = 64 << 10 // of one actor: who keeps to it pays for nobody else
)

// stage is how far a flow has come. What costs a stranger one request gives way
// before what somebody is looking at.
type stage int

const (
	begun    stage = iota // by a request alone
	seen                  // a browser has its consent page
	approved              // the person is at the provider
	stages
)

// flowTable holds pending flows. Full, it forgets first what the actor began who
// holds most, once that is more than a modest share; else the oldest of the
// earliest stage. Each stage has a quarter of the room for itself, so that a
// table full of pages that somebody pretends to read lets newcomers in.
type flowTable struct {
	byID    map[string]*Flow
	byState map[string]*Flow
	order   [stages]*list.List // of *Flow, by when they reached the stage
	actors  map[netip.Prefix]*share
	bytes   int
}

// share is what one actor holds, oldest first.
type share struct {
	flows []*Flow
	bytes int
}

func newFlowTable() flowTable {
	t := flowTable{byID: map[string]*Flow{}, byState: map[string]*Flow{}, actors: map[netip.Prefix]*share{}}
	for i := range t.order {
		t.order[i] = list.New()
	}
	return t
}

func (t *flowTable) add(f *Flow) {
	f.actor, f.bytes = limit.Actor(f.Remote), f.size()
	if mine := t.actors[f.actor]; mine != nil && len(mine.flows) >= maxActorFlows {
		t.remove(mine.least())
	}
	for len(t.byID) >= maxFlows || len(t.byID) > 0 && t.bytes+f.bytes > maxFlowBytes {
		t.remove(t.least())
	}
	mine := t.actors[f.actor]
	if mine == nil {
		mine = &share{}
		t.actors[f.actor] = mine
	}
	t.byID[f.ID] = f
	f.place = t.order[f.stage].PushBack(f)
	mine.flows = append(mine.flows, f)
	t.bytes, mine.bytes = t.bytes+f.bytes, mine.bytes+f.bytes
}

// least is the flow that goes first. The table is not empty.
func (t *flowTable) least() *Flow {
	most := &share{bytes: modestFlowBytes}
	for _, s := range t.actors {
		if s.bytes > most.bytes {
			most = s
		}
	}
	if len(most.flows) > 0 {
		return most.least()
	}
	for _, l := range t.order {
		if l.Len()*(int(stages)+1) > len(t.byID) { // true of one stage at least
			return l.Front().Value.(*Flow)
		}
	}
	panic("oauth: a flow is of no stage")
}

// least is the oldest flow of the earliest stage.
func (s *share) least() *Flow {
	return slices.MinFunc(s.flows, func(a, b *Flow) int { return int(a.stage - b.stage) })
}

// reach notes that f has come as far as to.
func (t *flowTable) reach(f *Flow, to stage) {
	if f.stage >= to {
		return
	}
	t.order[f.stage].Remove(f.place)
	f.stage = to
	f.place = t.order[to].PushBack(f)
}

// sendUpstream gives f a fresh state, nonce and verifier; an earlier state
// stops being known.
func (t *flowTable) sendUpstream(f *Flow) UpstreamRequest {
	delete(t.byState, f.upstream.State)
	f.upstream = UpstreamRequest{State: random(), Nonce: random(), Verifier: random(), LoginHint: f.LoginHint}
	t.byState[f.upstream.State] = f
	t.reach(f, approved)
	return f.upstream
}

func (t *flowTable) remove(f *Flow) {
	if t.byID[f.ID] != f {
		return
	}
	t.order[f.stage].Remove(f.place)
	delete(t.byID, f.ID)
	delete(t.byState, f.upstream.State)
	mine := t.actors[f.actor]
	mine.flows = slices.DeleteFunc(mine.flows, func(other *Flow) bool { return other == f })
	t.bytes, mine.bytes = t.bytes-f.bytes, mine.bytes-f.bytes
	if len(mine.flows) == 0 {
		delete(t.actors, f.actor)
	}
}

// expire removes every flow that began before cut.
func (t *flowTable) expire(cut time.Time) {
	for _, f := range t.byID {
		if f.started.Before(cut) {
			t.remove(f)
		}
	}
}

// flowCost is what a flow takes beside its strings, in bytes: itself, its
// client, its places in the table.
const flowCost = 1200

// size is what f takes in memory, in bytes.
func (f *Flow) size() int {
	n := flowCost + len(f.ID) + len(f.RedirectURI) + len(f.ClientState) + len(f.Challenge) + len(f.Resource) + len(f.LoginHint) + len(f.Remote) + len(f.CSRF) +
		len(f.Client.ID) + len(f.Client.Name) + len(f.Client.JWKS) + len(f.Client.JWKSURI)
	for _, s := range slices.Concat(f.Scopes, f.dropped, f.Client.RedirectURIs) {
		n += 16 + len(s)
	}
	return n
}
