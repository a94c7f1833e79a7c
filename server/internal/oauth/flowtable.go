package oauth

import (
	"container/list"
	"time"
)

// Bounds of what strangers can make us remember. A flow is about a kilobyte.
const (
	maxFlows          = 10_000
	maxFlowsByAddress = 500
)

// flowTable holds pending flows in the order they began. Full, it forgets the
// oldest: of the address that asks too much first, so that a flood from one
// place pushes out its own.
type flowTable struct {
	byID      map[string]*Flow
	byState   map[string]*Flow
	order     *list.List // of *Flow, oldest first
	place     map[*Flow]*list.Element
	byAddress map[string][]*Flow
}

func newFlowTable() flowTable {
	return flowTable{byID: map[string]*Flow{}, byState: map[string]*Flow{}, order: list.New(),
		place: map[*Flow]*list.Element{}, byAddress: map[string][]*Flow{}}
}

func (t *flowTable) add(f *Flow) {
	if mine := t.byAddress[f.Remote]; len(mine) >= maxFlowsByAddress {
		t.remove(mine[0])
	}
	if t.order.Len() >= maxFlows {
		t.remove(t.order.Front().Value.(*Flow))
	}
	t.byID[f.ID] = f
	t.place[f] = t.order.PushBack(f)
	t.byAddress[f.Remote] = append(t.byAddress[f.Remote], f)
}

// sendUpstream gives f a fresh state, nonce and verifier; an earlier state
// stops being known.
func (t *flowTable) sendUpstream(f *Flow) UpstreamRequest {
	delete(t.byState, f.upstream.State)
	f.upstream = UpstreamRequest{State: random(), Nonce: random(), Verifier: random()}
	t.byState[f.upstream.State] = f
	return f.upstream
}

func (t *flowTable) remove(f *Flow) {
	e, ok := t.place[f]
	if !ok {
		return
	}
	t.order.Remove(e)
	delete(t.place, f)
	delete(t.byID, f.ID)
	delete(t.byState, f.upstream.State)
	mine := t.byAddress[f.Remote]
	for i, other := range mine {
		if other == f {
			mine = append(mine[:i], mine[i+1:]...)
			break
		}
	}
	if len(mine) == 0 {
		delete(t.byAddress, f.Remote)
	} else {
		t.byAddress[f.Remote] = mine
	}
}

// expire removes every flow that began before cut.
func (t *flowTable) expire(cut time.Time) {
	for e := t.order.Front(); e != nil && e.Value.(*Flow).started.Before(cut); e = t.order.Front() {
		t.remove(e.Value.(*Flow))
	}
}
