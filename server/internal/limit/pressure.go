package limit

import (
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// pressure keeps the collector close while large messages are in flight, and
// gives memory back after them. What is live is bounded by [Bytes]; without this
// the garbage of a message would lie beside it, several times its size.
var pressure = &collector{}

const (
	// headroom is how much more than what is live anyway the program may hold
	// while it carries large messages. It is more than all room is, so the
	// collector always gets somewhere.
	headroom = 100 << 20

	// much is from how many bytes in flight on it matters, and calm how long there
	// must be fewer before memory goes back to the system.
	much = 4 << 20
	calm = time.Second
)

// Pace sets how much garbage there may be: twice what lives on, since little of
// what a call allocates does (half as much costs a quarter more time a call, twice
// as much saves none), but 64 MB at most. What lives on is what it is now.
func Pace() {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := min(200, 64<<20*100/max(live(), 1))
	debug.SetGCPercent(int(percent))
	if percent < 200 {
		debug.FreeOSMemory() // of what was read to make it
	}
}

type collector struct {
	mu     sync.Mutex // guards what follows
	bytes  int64      // in flight
	before int64      // the limit that held before; 0: it holds
	timer  *time.Timer
}

// add counts n bytes more in flight, or fewer.
func (c *collector) add(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += n
	switch {
	case c.bytes >= much && c.before == 0:
		if c.before = debug.SetMemoryLimit(-1); c.before == math.MaxInt64 { // else GOMEMLIMIT is set, by somebody who knows why
			debug.SetMemoryLimit(live() + headroom)
		}
	case c.bytes < much && c.before != 0:
		if c.timer == nil {
			c.timer = time.AfterFunc(calm, c.rest)
		} else {
			c.timer.Reset(calm)
		}
	}
}

// rest undoes what add did, unless much is in flight again.
func (c *collector) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes >= much || c.before == 0 {
		return
	}
	debug.SetMemoryLimit(c.before)
	c.before = 0
	debug.FreeOSMemory()
}

// live is how much the collector found in use the last time, with what the
// runtime itself needs, in bytes.
func live() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	n := func(i int) int64 { return int64(s[i].Value.Uint64()) } // a few GB at most
	return n(0) + n(1) - n(2) - n(3) - n(4) - n(5)
}
