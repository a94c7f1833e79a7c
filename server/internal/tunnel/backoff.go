package tunnel

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 500 * time.Millisecond
	maxPause   = time.Minute

	// lingering is how long the provider may think that a lost line of ours is
	// still there, and call our URL taken.
	lingering = 2 * time.Minute
)

// backoff says when to try again. Half of each pause is chance, so that many
// computers that lost a server together don't come back together.
type backoff struct {
	failures int       // since a line was open
	openAt   time.Time // when one was open last
}

// lost notes that a line which was open is no more.
func (b *backoff) lost(now time.Time) { *b = backoff{openAt: now} }

// next returns the pause after err, or a negative number if there is to be no
// other attempt until something changes.
func (b *backoff) next(err error, now time.Time) time.Duration {
	var e *Error
	if errors.As(err, &e) && e.Fatal && !(e.Taken && now.Sub(b.openAt) < lingering) {
		return -1
	}
	pause := firstPause / 5 // a line that was open is tried again at once
	if b.failures > 0 {
		pause = min(firstPause<<min(b.failures-1, 20), maxPause)
	}
	b.failures++
	return pause/2 + rand.N(pause/2)
}
