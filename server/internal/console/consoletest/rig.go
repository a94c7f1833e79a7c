package consoletest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/console"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Rig is the console behind the real control listener.
type Rig struct {
	*Backend
	Console *console.Console
	URL     string // http://127.0.0.1:PORT
	Link    string // opens it, any number of times
}

// Start serves the console over d until the test ends.
func Start(t testing.TB, d Data, now func() time.Time) *Rig { return StartWith(t, d, now, nil) }

// StartWith is [Start] with an app that Setup can change.
func StartWith(t testing.TB, d Data, now func() time.Time, app console.Configurer) *Rig {
	t.Helper()
	b := New(d)
	pages, err := console.New(console.Options{Backend: b, Setup: app, Version: "1.0.0", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s, err := control.Listen(t.TempDir(), "1.0.0", b, pages, status.NewBoard(time.Now), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error("close the console:", err)
		}
	})
	return &Rig{Backend: b, Console: pages, URL: s.URL(), Link: s.ConsoleURL()}
}
