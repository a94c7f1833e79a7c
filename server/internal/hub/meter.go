package hub

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

type meter struct {
	perMinute func() int
	now       func() time.Time

	mu       sync.Mutex // guards sessions
	sessions map[string]*rate.Limiter
}

// take counts a call. If it is one too many, wait is when to go on.
func (m *meter) take(session string) (wait time.Duration, ok bool) {
	n := m.perMinute()
	if n <= 0 {
		return 0, true
	}
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.sessions[session]
	if l == nil || l.Burst() != n { // the owner has changed it
		l = rate.NewLimiter(rate.Limit(float64(n)/60), n)
		m.sessions[session] = l
	}
	r := l.ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return d, false
	}
	return 0, true
}

func (m *meter) forget(over func(session string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.sessions, func(session string, _ *rate.Limiter) bool { return over(session) })
}
