package gateway

import (
	"sync"
	"time"
)

// pulse keeps long requests alive: it lifts the deadlines of their connection,
// and sends a comment on each that has been silent, so that nothing between us
// and the client takes it for dead. One clock serves all requests, because most
// are over long before it ticks.
type pulse struct {
	mu   sync.Mutex // guards live
	live map[*exchange]struct{}
}

func (p *pulse) add(x *exchange) {
	p.mu.Lock()
	p.live[x] = struct{}{}
	p.mu.Unlock()
}

func (p *pulse) remove(x *exchange) {
	p.mu.Lock()
	delete(p.live, x)
	p.mu.Unlock()
}

// run ticks until stop is closed. No stream is silent for longer than
// interval: it has a comment after two ticks of half of that.
func (p *pulse) run(interval time.Duration, stop <-chan struct{}) {
	t := time.NewTicker(interval / 2)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.mu.Lock()
			for x := range p.live {
				go x.tick(x.silent.Add(1) >= 2) // it may have to wait for its client
			}
			p.mu.Unlock()
		case <-stop:
			return
		}
	}
}
