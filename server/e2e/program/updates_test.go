package program

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The release feed is asked once a day, restarts among it; what it says is shown
// to who runs an older release, and what it says wrong is logged once.
func TestUpdateNotice(t *testing.T) {
	var asked atomic.Int32
	var body atomic.Value
	body.Store(`{"tag_name":"v1.2.0","html_url":"https://example.com/notes"}`)
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, body.Load())
	}))
	t.Cleanup(feed.Close)
	var ahead atomic.Int64
	app := rig.StartApp(t, rig.AppOptions{Version: "v1.0.0", Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Config: func(c *config.Config) { c.Updates.Feed = feed.URL }})
	want := status.Update{Version: "1.2.0", URL: "https://example.com/notes"}
	shown := func() bool { return app.Srv.Status().Update == want }
	rig.WaitFor(t, "the notice", shown)
	app.Stop()
	body.Store("nonsense")
	app.Start()
	if !shown() || asked.Load() != 1 {
		t.Errorf("after a restart: shown %v, asked %d times", shown(), asked.Load())
	}
	for day := 1; day <= 2; day++ {
		ahead.Store(int64(time.Duration(day) * 25 * time.Hour))
		rig.WaitFor(t, "the next day's look", func() bool { return asked.Load() == int32(1+day) })
	}
	app.Stop()
	if n := strings.Count(app.Log.String(), "the release feed"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	app.Options.Version = "v1.2.0" // updated
	app.Start()
	if app.Srv.Status().Update != (status.Update{}) {
		t.Error("it tells of the release that runs")
	}
	app.Stop()
	app.Options.Version = "v1.1.0"
	app.Config.Updates.Check = false
	app.Start()
	if app.Srv.Status().Update != (status.Update{}) || asked.Load() != 3 {
		t.Errorf("switched off: %+v, asked %d times", app.Srv.Status().Update, asked.Load())
	}
}
