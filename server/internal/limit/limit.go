// Package limit bounds how often something may happen, for each address and
// in all, and says which addresses are one [Actor]. It knows nothing of what
// it bounds. Start at [Limit].
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxAddresses bounds the table. While it is full of addresses that are busy,
// newcomers share one limiter.
const maxAddresses = 20_000

// inAll is how many addresses' worth may come in all.
const inAll = 10

// outOfOrder is how long a request may wait for its turn.
const outOfOrder = 10 * time.Second

// Limit is safe for concurrent use.
type Limit struct {
	every rate.Limit
	burst int
	all   *rate.Limiter
	rest  *rate.Limiter // of addresses that found no place

	mu     sync.Mutex // guards what follows, and the limiters' turns
	byAddr map[netip.Prefix]*rate.Limiter
	swept  time.Time
	latest time.Time // no question is answered for a time before it
}

// New allows each address burst at once and every a second after that, and ten
// times as much in all.
func New(every float64, burst int) *Limit {
	return &Limit{
		every: rate.Limit(every), burst: burst,
		all:    rate.NewLimiter(rate.Limit(inAll*every), inAll*burst),
		rest:   rate.NewLimiter(rate.Limit(every), burst),
		byAddr: map[netip.Prefix]*rate.Limiter{},
	}
}

// Each allows each address the same, and all together whatever they do: what
// strangers ask for takes nothing from anybody else. It is for what a client
// that has signed in can't do without, where a refusal costs as much as an
// answer.
func Each(every float64, burst int) *Limit {
	l := New(every, burst)
	l.all, l.rest = rate.NewLimiter(rate.Inf, 0), rate.NewLimiter(rate.Inf, 0)
	return l
}

// Allow takes one from the share of address, an IP address, at now. If there is
// none left it takes nothing and returns how long to wait.
func (l *Limit) Allow(address string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Callers look at the clock before they get here, and not in that order. A
	// rate.Limiter goes back in time with them, and fills up a second time. A
	// clock that was put back is another matter: with it time goes on from there.
	if late := l.latest.Sub(now); late > 0 && late < outOfOrder {
		now = l.latest
	}
	l.latest = now
	for _, limiter := range []*rate.Limiter{l.of(address, now), l.all} {
		r := limiter.ReserveN(now, 1)
		if wait := r.DelayFrom(now); wait > 0 {
			r.CancelAt(now)
			return wait, false
		}
	}
	return 0, true
}

// of is called with the lock held.
func (l *Limit) of(address string, now time.Time) *rate.Limiter {
	key := Actor(address)
	if limiter, ok := l.byAddr[key]; ok {
		return limiter
	}
	if len(l.byAddr) >= maxAddresses {
		l.sweep(now)
	}
	if len(l.byAddr) >= maxAddresses {
		return l.rest
	}
	limiter := rate.NewLimiter(l.every, l.burst)
	l.byAddr[key] = limiter
	return limiter
}

// sweep forgets, once a second at most, who has been quiet long enough to have
// a full burst again: a new limiter would say the same.
func (l *Limit) sweep(now time.Time) {
	if since := now.Sub(l.swept); since >= 0 && since < time.Second { // negative: the clock was put back
		return
	}
	l.swept = now
	for key, limiter := range l.byAddr {
		if limiter.TokensAt(now) >= float64(l.burst) {
			delete(l.byAddr, key)
		}
	}
}
