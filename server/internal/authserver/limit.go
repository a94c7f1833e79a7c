package authserver

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Limit bounds how often requests may come, from one address and in all. An
// IPv6 network counts as one address: its owner has 2^64 of them.
type Limit struct {
	every rate.Limit // a second, by address
	burst int
	all   *rate.Limiter

	mu     sync.Mutex // guards recent
	recent map[netip.Prefix]*rate.Limiter
}

// maxAddresses bounds the table. When it is full, the addresses that have
// been quiet for long enough to have their whole burst back are dropped; a
// flood from more addresses than that meets the bound on all.
const maxAddresses = 20_000

// NewLimit allows each address burst requests at once and every a second after,
// and ten times that in all.
func NewLimit(every rate.Limit, burst int) *Limit {
	return &Limit{every: every, burst: burst, all: rate.NewLimiter(10*every, 10*burst), recent: map[netip.Prefix]*rate.Limiter{}}
}

// Allow takes one request of address. If there have been too many it returns
// how long to wait.
func (l *Limit) Allow(address string) (time.Duration, bool) {
	now := time.Now()
	for _, limiter := range []*rate.Limiter{l.of(address, now), l.all} {
		if r := limiter.ReserveN(now, 1); r.DelayFrom(now) > 0 {
			wait := r.DelayFrom(now)
			r.CancelAt(now)
			return wait, false
		}
	}
	return 0, true
}

func (l *Limit) of(address string, now time.Time) *rate.Limiter {
	key := network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if limiter, ok := l.recent[key]; ok {
		return limiter
	}
	if len(l.recent) >= maxAddresses {
		for k, other := range l.recent {
			if other.TokensAt(now) >= float64(l.burst) {
				delete(l.recent, k)
			}
		}
		if len(l.recent) >= maxAddresses {
			return l.all
		}
	}
	limiter := rate.NewLimiter(l.every, l.burst)
	l.recent[key] = limiter
	return limiter
}

func network(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// Limited answers 429 with Retry-After (RFC 6585 §4) to what l does not allow.
func (s *Server) Limited(l *Limit, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wait, ok := l.Allow(remote(r))
		if ok {
			next(w, r)
			return
		}
		s.failJSON(w, r, &oauth.Error{Code: "temporarily_unavailable", Status: http.StatusTooManyRequests, RetryAfter: max(wait, time.Second),
			Description: "Too many requests from this address. Wait a moment, then try again."}, "")
	}
}
