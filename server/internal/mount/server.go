package mount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	defaultTimeout = 5 * time.Minute  // of a call
	defaultIdle    = 15 * time.Minute // after which an unused conversation ends
	pollTime       = 30 * time.Second // until a server that tells of no changes is asked again
)

// server is one mounted server, from one Apply to the next that changes how it
// is started.
type server struct {
	set  *Set
	name string
	http bool // else it is a process
	off  bool // switched off; nothing is started
	log  *ring
	ctx  context.Context // ends when the server is not wanted any more
	quit context.CancelFunc

	lists *reader // of what all are offered

	mu      sync.Mutex // guards all below
	conf    config.Server
	convs   map[key]*conversation
	watched watches
	era     eras
	catalog *Catalog
	readAt  time.Time // when the catalog was read, in this run
	reach   []string  // of another Drawbridge, see hops.go

	state     string    // ok, starting, failed
	problem   string    // a sentence, while state is not ok
	detail    string    // more of it, for the owner alone
	failures  int       // in a row
	openingAt time.Time // since when a start is under way, if one is
	failedAt  time.Time
	told      bool // the event of this row is recorded
	retryAt   time.Time
	refusal   string // a sentence, what is answered until retryAt
	retry     *time.Timer
}

func newServer(set *Set, conf config.Server, log *ring) *server {
	s := &server{set: set, name: conf.Name, http: conf.URL != "", off: conf.Off, log: log, conf: conf, state: stateStarting,
		convs: make(map[key]*conversation), watched: make(watches)}
	s.ctx, s.quit = context.WithCancel(context.Background())
	s.lists = &reader{do: s.readLists, start: set.working.start, settle: set.tune.settle}
	if s.off {
		s.state = stateOff
		return s
	}
	if s.catalog = set.records.get(s.name, startOf(conf)); s.catalog != nil {
		s.era = eras{true, s.catalog.Eras}
	}
	return s
}

// The states of a server (status.Server).
const (
	stateOK       = "ok"
	stateStarting = "starting"
	stateFailed   = "failed"
	stateOff      = "off"
)

func (s *server) settings() config.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conf
}

// takes has the server follow conf, if that needs no restart.
func (s *server) takes(conf config.Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off != conf.Off || startOf(s.conf) != startOf(conf) {
		return false
	}
	s.conf = conf
	return true
}

// status needs mu.
func (s *server) statusLocked() status.Server {
	st := status.Server{Name: s.name, State: s.state, Error: s.problem}
	if s.problem != "" && s.detail != "" {
		st.Error += " " + s.detail
	}
	if since := s.set.o.Now().Sub(s.openingAt); s.state == stateStarting && !s.openingAt.IsZero() && since >= slowStart {
		st.Error = fmt.Sprintf("%s is starting: for %s now, of the %s that it may take.", s.name, since.Round(time.Second), s.startBoundLocked())
	}
	if s.catalog != nil {
		st.Tools = len(s.catalog.Tools)
	}
	return st
}

// slowStart is after how long a start is told of.
const slowStart = 3 * time.Second

// startBoundLocked is how long a start may take. It needs mu.
func (s *server) startBoundLocked() time.Duration {
	return cmp.Or(s.conf.Start, s.set.tune.open)
}

// change runs f under mu, and tells if the status is another then.
func (s *server) change(f func()) {
	s.mu.Lock()
	before := s.statusLocked()
	f()
	after := s.statusLocked()
	s.mu.Unlock()
	if before != after {
		s.set.o.OnChange(s.name, StateChanged)
	}
}

// errorf returns an Error of this server.
func (s *server) errorf(cause error, format string, args ...any) *Error {
	return &Error{Server: s.name, Message: s.name + " " + fmt.Sprintf(format, args...), Cause: cause}
}

// unanswered is what a client gets to read for err, unless err is the server's
// own word or the caller's end.
func (s *server) unanswered(err error) error {
	var f *failure
	var e *Error
	switch {
	case isOwn(err), errors.As(err, &e), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &f):
		return s.errorf(f, "%s", f.text)
	case errors.Is(err, errSessionGone):
		return s.errorf(err, "keeps ending its session. Try again in a while.")
	case errors.Is(err, context.DeadlineExceeded):
		return s.errorf(err, "did not answer in time.")
	}
	return s.errorf(err, "could not be reached. Try again in a while.")
}

// stop ends everything of the server for good; calls in flight get why.
func (s *server) stop(why string) {
	s.quit()
	s.mu.Lock()
	if s.retry != nil {
		s.retry.Stop()
	}
	s.mu.Unlock()
	s.endThose(nil, why, func(*conversation) bool { return true })
}

// endThose ends the conversations that which picks under mu. Calls in flight get
// why.
func (s *server) endThose(cause error, why string, which func(c *conversation) bool) {
	var over []*conversation
	s.mu.Lock()
	for k, c := range s.convs {
		if which(c) {
			over = append(over, c)
			delete(s.convs, k)
		}
	}
	s.mu.Unlock()
	for _, c := range over {
		c.end(s.errorf(cause, "%s", why))
	}
}

// removeLocked has no new call come to c. It needs mu.
func (s *server) removeLocked(c *conversation) {
	if s.convs[c.key] == c {
		delete(s.convs, c.key)
	}
}

// restart ends what runs, forgets failures, and starts again.
func (s *server) restart() {
	s.change(func() {
		s.failures, s.told, s.retryAt, s.era = 0, false, time.Time{}, eras{}
		s.state, s.problem = stateStarting, ""
	})
	s.endThose(nil, "was restarted by the owner. Try again.", func(*conversation) bool { return true })
	s.log.say("It is started again, as the owner asked.")
	s.lists.again()
	s.watchAgain()
}

// sweep ends conversations that nobody has used for long, and forgets failures
// after a while without any.
func (s *server) sweep(now time.Time) {
	s.mu.Lock()
	limit := cmp.Or(s.conf.Idle, defaultIdle)
	// Clients of /mcp are promised to be told of changes, so a server over HTTP
	// that does not tell of them is asked. One that is a process is as it began.
	if own := s.convs[s.era.ownKey()]; s.http && own != nil && own.isReady() && now.Sub(s.readAt) >= pollTime && !own.wanted(everybody).Tools {
		s.lists.soon()
	}
	s.mu.Unlock()
	stable := false
	s.endThose(nil, "was stopped because nobody used it. Try again.", func(c *conversation) bool {
		stable = stable || c.isReady() && s.failures > 0 && s.survived(c, now)
		since, unused := c.idle()
		return c.isReady() && limit > 0 && unused && !s.isWatchedLocked(c.key) && now.Sub(since) >= limit
	})
	if stable {
		s.recovered(true)
	}
}
