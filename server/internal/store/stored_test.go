package store

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/store/storetest"
)

// Beside testdata/history-v1.db, which has events as they were: each member.
func TestStoredEvent(t *testing.T) {
	storetest.Hold(t, "event", []byte(`{"seq": 7, "event": {"id": "abcdefghij", "time": "2026-11-30T10:00:00Z", "type": "tool.called", "outcome": "ok", "user": "ana@example.com", "client": "Claude",
		"session": "s1", "tool": "files/read", "reason": "files/read", "remote": "203.0.113.7", "count": 3, "redirect_uri": "https://claude.ai/cb"}}`), new(storedEvent))
}
