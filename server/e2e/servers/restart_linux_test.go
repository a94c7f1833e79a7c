package servers

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Right after a restart a client gets all that eight real servers offered before,
// though none of them runs again yet.
func TestFirstListAfterRestart(t *testing.T) {
	c := &comparison{folder: t.TempDir()}
	servers := map[string]rig.MCPServer{}
	for _, s := range comparedServers[:8] {
		servers[s.name] = s.server(t, c)
	}
	app := rig.StartBinary(t, rig.Mounting(t, rig.AppOptions{Plain: true}, servers))
	token := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice").Access
	app.WaitForServers(t)
	want := app.MCP(t, token).Listing(t, "tools/list")
	app.Kill()
	app.Start()
	m := app.MCP(t, token)
	began := time.Now()
	got := m.Listing(t, "tools/list")
	took := time.Since(began)
	t.Logf("%d tools in %v", len(got), took)
	if !slices.Equal(got, want) {
		t.Errorf("before the restart %q\nafter it %q", want, got)
	}
	if took > rig.Within(time.Second) { // these servers need seconds to start
		t.Errorf("the first list took %v", took)
	}
	if got := m.CallTool("add", map[string]any{"a": 3, "b": 5}); got != "8" {
		t.Errorf("add says %q", got)
	}
}

// Processes and memory with many servers stay within bounds, however many sign
// in. DRAWBRIDGE_LONG=1 has 31 servers and ten sign-ins.
func TestManyServersManySignIns(t *testing.T) {
	count, most := 8, 2
	if rig.Long() {
		count, most = 31, 10
	}
	servers := map[string]rig.MCPServer{}
	for i := range count {
		servers["s"+strconv.Itoa(i)] = rig.SmallServer(t, 3)
	}
	app := rig.StartBinary(t, rig.Mounting(t, rig.AppOptions{Plain: true}, servers))
	began := time.Now()
	app.WaitForServers(t)
	t.Logf("%d servers are ready after %v", count, time.Since(began))
	client := app.Register(t, rig.ClientURI)
	for n := 1; n <= most; n++ {
		m := app.MCP(t, app.SignIn(t, rig.NewBrowser(t), client, "alice").Access)
		if got := len(m.Listing(t, "tools/list")); got != 3*count+3 {
			t.Errorf("sign-in %d gets %d tools", n, got)
		}
		for i := range count {
			if r := m.TryTool("s"+strconv.Itoa(i)+"__echo", map[string]any{}); r.Status != 200 || r.Code != 0 {
				t.Fatalf("sign-in %d, server %d: %s", n, i, rig.Clip(r.Body))
			}
		}
		now, _ := app.Resident(t)
		children := len(rig.Descendants(app.Program.Script.Cmd.Process.Pid))
		t.Logf("%d sign-ins: %d processes of servers, each with its keeper; Drawbridge itself holds %d MB", n, children/2, now>>20)
		if children > 2*(64+count) {
			t.Errorf("%d processes", children)
		}
	}
}
