package server

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// serveLog takes what net/http says of its connections: faults of strangers,
// which only the curious want to read, but for one. That no more connections
// can be taken is told aloud, once a minute at most, since net/http tries again
// every second.
type serveLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards said
	said time.Time
}

func newServeLog(to *slog.Logger) *log.Logger { return log.New(&serveLog{log: to}, "", 0) }

func (s *serveLog) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	if cause, ok := strings.CutPrefix(line, "http: Accept error: "); ok && s.due() {
		cause, _, _ = strings.Cut(cause, "; retrying")
		s.log.Warn("no more connections can be taken for now; those that stand go on. If the system's limit of open files is the cause, raise it (ulimit -n)", "cause", cause)
	} else {
		s.log.Debug(line)
	}
	return len(p), nil
}

// due reports whether a minute has passed since it last said yes.
func (s *serveLog) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.said.IsZero() && time.Since(s.said) < time.Minute {
		return false
	}
	s.said = time.Now()
	return true
}
