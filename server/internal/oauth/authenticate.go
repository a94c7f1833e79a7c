package oauth

import (
	"context"
	"slices"
	"time"
)

// Authenticate returns who presents an access token at resource, and a context
// that ends with their grant. It costs a MAC and a map lookup: no disk, no
// provider, no wake-up (RFC 6750 §2.1, RFC 8707 §2). resource is canonical.
func (s *Grants) Authenticate(text, resource, remote string) (*Caller, context.Context, error) {
	t, err := s.tokenKey.open(text)
	if err != nil {
		return nil, nil, err
	}
	now := s.opts.Now()
	if t.kind != accessToken {
		return nil, nil, ErrTokenKind
	}
	if !now.Before(t.expires) {
		return nil, nil, ErrTokenExpired
	}
	g, ok := s.find(t.grant)
	if !ok || !g.stays() {
		return nil, nil, ErrEnded
	}
	if g.record().Resource != resource {
		return nil, nil, ErrResource
	}
	s.use(g, t.generation, now, remote)
	caller := *g.callerOf()
	caller.Remote = remote
	return &caller, caller.life, nil
}

// use counts a request. It is written later, with others.
func (s *Grants) use(g *grant, generation uint32, now time.Time, remote string) {
	g.lastUsed.Store(now.UnixMilli())
	g.requests.Add(1)
	if was := g.remote.Load(); was == nil || *was != remote {
		g.remote.Store(&remote)
	}
	if g.usedGen.Load() < generation {
		g.usedGen.Store(generation)
	}
	s.touch(g)
}

// UsedTool notes the tool that a session called last.
func (s *Grants) UsedTool(session, tool string) {
	id, ok := parseGrantID(session)
	if !ok {
		return
	}
	if g, ok := s.find(id); ok {
		if was := g.lastTool.Load(); was == nil || *was != tool {
			g.lastTool.Store(&tool)
		}
		s.touch(g)
	}
}

func (s *Grants) touch(g *grant) {
	if g.dirty.CompareAndSwap(false, true) {
		s.mu.Lock()
		s.dirty = append(s.dirty, g)
		s.mu.Unlock()
		poke(s.newUse)
	}
}

// writeUsage writes the counters that have changed, a few hundred grants a
// save. One that is being changed right now is left for the next time.
func (s *Grants) writeUsage() {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = nil
	s.mu.Unlock()
	for batch := range slices.Chunk(dirty, 256) {
		s.writeBatch(batch)
	}
}

func (s *Grants) writeBatch(dirty []*grant) {
	var held []*grant
	var changes []Change
	for _, g := range dirty {
		g.dirty.Store(false)
		if !g.mu.TryLock() {
			s.touch(g)
			continue
		}
		defer g.mu.Unlock()
		held = append(held, g)
		if !g.over() {
			changes = append(changes, change(BucketGrants, g.id.String(), g.withUse(*g.record())))
		}
	}
	if len(changes) > 0 {
		if err := s.opts.Saver.Save(changes); err != nil {
			s.opts.Log.Warn("counters not saved", "cause", err)
			for _, g := range held {
				s.touch(g)
			}
		}
	}
}
