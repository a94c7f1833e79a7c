package e2e

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
)

func TestZZ(t *testing.T) {
	app := startTunnelApp(t, startEdge(t, edge.Options{}), nil)
	_, toks, alive := app.signedIn(t)
	alive()
	streamOf := app.MCP(t, toks.Access).Stream()
	_ = streamOf
	began := time.Now()
	app.Srv.Pause(t.Context())
	t.Log("pause", time.Since(began))
	waitFor(t, "the endpoint to go", func() bool { return !app.Edge.Online(app.Host) })
	t.Log("gone", time.Since(began))
	time.Sleep(time.Second)
	buf := make([]byte, 1<<20)
	os.WriteFile("/tmp/zz.txt", buf[:runtime.Stack(buf, true)], 0o600)
	select {
	case <-streamOf:
		t.Log("stream ended")
	default:
		t.Log("stream lives")
	}
	waitFor(t, "agent to go", func() bool { return app.Edge.Sessions() == 0 })
	t.Log("agent gone", time.Since(began))
	began = time.Now()
	app.Stop()
	t.Log("stop", time.Since(began))
}
