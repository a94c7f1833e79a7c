package console

import (
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Doctor, the Overview and `drawbridge status` count the failed servers alike,
// and within a second of a repair none counts any.
func TestDoctorAndOverviewAgree(t *testing.T) {
	servers := map[string]rig.MCPServer{"sound": rig.SmallServer(t, 1)}
	for _, name := range []string{"one", "two"} {
		s := rig.SmallServer(t, 1)
		s.Env["API_KEY"] = "${keychain:API_KEY}"
		servers[name] = s
	}
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{Keystore: keystore.Memory()}, servers))
	failed := func() (n int) {
		for _, s := range app.Status(t).Servers {
			if s.State == "failed" {
				n++
			}
		}
		return n
	}
	rig.WaitFor(t, "both to fail", func() bool { return failed() == 2 })
	c, browser := rig.ReadControlFile(t, app), rig.StartConsoleBrowser(t)
	use(t, browser, c.URL+"/#key="+c.Key, "en-GB", step{"wait", "2 servers failed"},
		step{"key", "#nav-doctor"}, step{"key", "#doctor-run button"}, step{"wait", "2 checks found something wrong."}, step{"wait", "FAILED: server one:"},
		step{"key", "#nav-overview"}, step{"wait", "2 servers failed"})

	for _, name := range []string{"one", "two"} {
		if err := app.Options.Keystore.Set(t.Context(), keystore.ServerSecret(name, "API_KEY"), keystore.NewSecret("k3y")); err != nil {
			t.Fatal(err)
		}
	}
	mended := time.Now()
	for _, name := range []string{"one", "two"} {
		if err := app.Srv.RestartServer(name); err != nil {
			t.Fatal(err)
		}
	}
	rig.WaitFor(t, "the status to say so", func() bool { return failed() == 0 })
	if took := time.Since(mended); took > rig.Within(time.Second) {
		t.Errorf("the status says so after %s", took)
	}
	for _, check := range app.Srv.Doctor(t.Context()) {
		if !check.OK {
			t.Errorf("mended, doctor says %+v", check)
		}
	}
	if n := failed(); n != 0 {
		t.Errorf("after doctor the status counts %d failed servers", n)
	}
	use(t, browser, c.URL+"/#key="+c.Key, "en-GB", step{"key", "#nav-doctor"}, step{"key", "#doctor-run button"}, step{"wait", "server one: ok"},
		step{"key", "#nav-overview"}, step{"wait", "Ready. Everything works."})
}
