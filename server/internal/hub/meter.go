package hub

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// meter bounds the calls of each session.
type meter struct {
	perMinute func() int
	now       func() time.Time

	mu       sync.Mutex // guards all below
	sessions map[string]*rate.Limiter
	swept    time.Time
}

func newMeter(perMinute func() int, now func() time.Time) *meter {
	return &meter{perMinute: perMinute, now: now, sessions: map[string]*rate.Limiter{}, swept: now()}
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
	m.sweep(now)
	l := m.sessions[session]
	perSecond := rate.Limit(float64(n) / 60)
	if l == nil {
		l = rate.NewLimiter(perSecond, n)
		m.sessions[session] = l
	} else if l.Burst() != n { // the owner has changed it
		l.SetLimitAt(now, perSecond)
		l.SetBurstAt(now, n)
	}
	r := l.ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return d, false
	}
	return 0, true
}

// sweep forgets, each minute, the sessions that have their whole minute again.
func (m *meter) sweep(now time.Time) {
	if now.Sub(m.swept) < time.Minute {
		return
	}
	m.swept = now
	for session, l := range m.sessions {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(m.sessions, session)
		}
	}
}

func (m *meter) forget(over func(session string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for session := range m.sessions {
		if over(session) {
			delete(m.sessions, session)
		}
	}
}
