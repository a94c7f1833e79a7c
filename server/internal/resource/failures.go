package resource

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxAddresses bounds the table of failures. When it is full of addresses that
// are still failing, newcomers share one limiter.
const maxAddresses = 4096

// failures counts requests without a good token by address, so that guessing
// tokens is slow and cheap to answer. A good token never comes here: a person
// who shares an address with an attacker is not locked out.
type failures struct {
	limit rate.Limit
	burst int

	mu     sync.Mutex // guards what follows
	byAddr map[netip.Prefix]*rate.Limiter
	rest   *rate.Limiter
	swept  time.Time
}

func newFailures(limit rate.Limit, burst int) *failures {
	return &failures{
		limit: limit, burst: burst,
		byAddr: map[netip.Prefix]*rate.Limiter{},
		rest:   rate.NewLimiter(limit, burst),
	}
}

// allow records a failure of host at now. False means there were too many.
func (f *failures) allow(host string, now time.Time) bool {
	key := network(host)
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.byAddr[key]
	if l == nil {
		if len(f.byAddr) >= maxAddresses {
			f.sweep(now)
		}
		if len(f.byAddr) >= maxAddresses {
			return f.rest.AllowN(now, 1)
		}
		l = rate.NewLimiter(f.limit, f.burst)
		f.byAddr[key] = l
	}
	return l.AllowN(now, 1)
}

// sweep forgets, once a second at most, who has been quiet long enough to have
// a full burst again: a new limiter would say the same.
func (f *failures) sweep(now time.Time) {
	if now.Sub(f.swept) < time.Second {
		return
	}
	f.swept = now
	for key, l := range f.byAddr {
		if l.TokensAt(now) >= float64(f.burst) {
			delete(f.byAddr, key)
		}
	}
}

// network is what one household or host counts as: an IPv4 address, or the
// /64 that an IPv6 host can pick its addresses from. What is no address at all
// counts as one.
func network(host string) netip.Prefix {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits) // bits fit by construction
	return p
}
