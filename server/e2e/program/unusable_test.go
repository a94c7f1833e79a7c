package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Without a usable configuration the program runs all the same: it says what is
// wrong, serves Setup in the console and nothing else, and goes on by itself once
// the file is mended.
func TestUnusableConfiguration(t *testing.T) {
	for name, text := range map[string]string{
		"none":    "",
		"mistake": "[idp]\nissuer = \"https://idp.example\"\nclientid = \"x\"\n",
		"lacking": "listen = \"127.0.0.1:0\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			path, err := rig.Binary()
			if err != nil {
				t.Fatal(err)
			}
			data, file := t.TempDir(), filepath.Join(t.TempDir(), "config.toml")
			if text != "" {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := append(rig.Homeless(t), "DRAWBRIDGE_IDP_CLIENT_SECRET=drawbridge-demo", "DRAWBRIDGE_DATA_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
			p := rig.StartProcess(t, env, path, "run", "--headless", "--keystore", "env", "--config", file, "--data", data)
			go func() {
				for range p.Lines {
				}
			}()
			var st status.Status
			await := func(state status.State) {
				t.Helper()
				rig.WaitFor(t, "the state "+string(state), func() bool {
					c, err := control.Dial(data)
					if err != nil {
						return false
					}
					defer c.Close()
					st, err = c.Status(t.Context())
					return err == nil && st.State == state
				})
			}
			await(status.Error)
			if !strings.Contains(st.Error, "drawbridge console") || !strings.HasPrefix(st.ConsoleURL, "http://127.0.0.1:") || st.MCPURL != "" {
				t.Errorf("status %+v", st)
			}
			if name == "mistake" {
				for _, said := range []string{st.Error, p.Log.String()} {
					if !strings.Contains(said, "config.toml:3") || !strings.Contains(said, "client_id") {
						t.Errorf("said without line or name: %s", said)
					}
				}
			}

			cfg := config.Default()
			cfg.Listen = "127.0.0.1:0"
			cfg.IDP.Issuer, cfg.IDP.ClientID = rig.StartDemoProvider(t).Issuer, "drawbridge-demo"
			cfg.Access.Anyone = true
			if err := rig.SaveConfig(file, cfg); err != nil {
				t.Fatal(err)
			}
			await(status.Ready)
		})
	}
}
