package mount

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
)

// tuning is the bounds that tests lower.
type tuning struct {
	probe      time.Duration // for the answer to a modern question, before initialize is sent too
	open       time.Duration // for a server to start: a package manager may fetch it first
	list       time.Duration // for one page of a catalog, and other requests of our own
	rest       time.Duration // for the lists behind that of the tools
	again      time.Duration // until a list that could not be read is asked for again
	settle     time.Duration // from a change of a list until it is read again
	firstPause time.Duration // after a crash
	maxPause   time.Duration
	stable     time.Duration // without a crash, after which all is forgotten
	sweep      time.Duration // between two looks for idle conversations
	grace      process.Grace
	unread     int // bytes that may wait for a server that doesn't read
}

var normal = tuning{
	probe:      3 * time.Second,
	open:       time.Minute,
	list:       30 * time.Second,
	rest:       5 * time.Second,
	again:      time.Minute,
	settle:     300 * time.Millisecond,
	firstPause: time.Second,
	maxPause:   time.Minute,
	stable:     30 * time.Second,
	sweep:      5 * time.Second,
	grace:      process.Grace{EOF: 2 * time.Second, Term: 2 * time.Second},
	unread:     2 * maxMessage,
}

// pause is how long to wait after so many failures in a row. A part of it is
// chance, so that servers that failed together don't all start together.
func (t tuning) pause(failures int) time.Duration {
	d := min(t.firstPause<<min(max(failures-1, 0), 20), t.maxPause)
	return d - rand.N(d/4+1)
}

// group counts goroutines. Unlike sync.WaitGroup it may be waited for while
// more start.
type group struct {
	mu   sync.Mutex
	n    int
	zero *sync.Cond
}

func (g *group) start(f func()) {
	g.add(1)
	go func() {
		defer g.add(-1)
		f()
	}()
}

func (g *group) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n += n; g.n == 0 && g.zero != nil {
		g.zero.Broadcast()
	}
}

func (g *group) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.zero == nil {
		g.zero = sync.NewCond(&g.mu)
	}
	for g.n > 0 {
		g.zero.Wait()
	}
}
