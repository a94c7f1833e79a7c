package hub

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
)

// logLevels is RFC 5424's, from the most talkative.
var logLevels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

func rank(level string) int { return slices.Index(logLevels, level) }

// levels remembers how talkative each conversation with a server of the era
// with sessions was asked to be. Two clients of one person share one: it is
// asked for what the more curious wants, and each hears its own.
type levels struct {
	mu  sync.Mutex     // guards set
	set map[string]int // "server\x00person"
}

// maxLevels bounds what is remembered; what is forgotten is only asked again.
const maxLevels = 10_000

// raise reports whether a conversation must be told a level.
func (l *levels) raise(server, sub, level string) bool {
	want := rank(level)
	if want < 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := server + "\x00" + sub
	if now, ok := l.set[key]; ok && now <= want {
		return false
	}
	if l.set == nil || len(l.set) >= maxLevels {
		l.set = map[string]int{}
	}
	l.set[key] = want
	return true
}

// forget drops what is known of a server: it may have been started anew.
func (l *levels) forget(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.set {
		if strings.HasPrefix(key, server+"\x00") {
			delete(l.set, key)
		}
	}
}

// setLevel asks a server of the era with sessions for the log messages that the
// client wants to have.
func (h *Hub) setLevel(ctx context.Context, c gateway.Client, m mounted) {
	level := c.LogLevel()
	if level == "" || !offers(m.cat, "logging") || !h.levels.raise(m.server, c.Caller().User.Sub, level) {
		return
	}
	_, err := h.o.Mounts.Call(ctx, m.server, c.Caller(), "logging/setLevel", encode(object{"level": quote(level)}), mute{})
	if err != nil {
		h.levels.forget(m.server)
		h.o.Log.Info("log level not set", "server", m.server, "cause", err)
	}
}

// mute is a client that hears nothing and is asked nothing.
type mute struct{}

func (mute) Notify(string, json.RawMessage) {}
func (mute) Request(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	return nil, errNobody
}
