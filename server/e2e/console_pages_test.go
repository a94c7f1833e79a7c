package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
)

func startConsoleBrowser(t *testing.T) *Script {
	t.Helper()
	if _, err := os.Stat("node_modules/axe-core/axe.min.js"); err != nil {
		missing(t, "axe-core")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return StartScript(t, nil, "clients/console.mjs", path)
		}
	}
	missing(t, "chromium")
	return nil
}

// Every page of the console stays within the screen, raises no error and pleases
// axe-core, by day and night, on a phone and a desk, in both languages. The
// pictures land in out/.
func TestConsolePages(t *testing.T) {
	rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	browser := startConsoleBrowser(t)
	for _, page := range []struct{ name, path, press, en, ja string }{
		{"overview", "/", "", "https://name.ngrok.app/mcp", "概要"},
		{"sessions", "/sessions", "", "ana@example.com", "身元確認済み"},
		{"activity", "/activity", "", "Client refused", "サインインを拒否"},
		{"attempts", "/activity?show=attempts", "", "8 steps", "Claude は接続されています"},
		{"servers", "/servers", "", "Held back", "保留中"},
		{"approvals", "/approvals", "", "call the bank", "引数"},
		{"doctor", "/doctor", "#doctor-run button", "1 check found something wrong.", "1 件の問題が見つかりました。"},
		{"panic", "/panic", "", "Yes, end everything", "緊急停止"},
		{"setup", "/setup", "", "drawbridge setup", "設定"},
	} {
		for lang, says := range map[string]string{"en-GB": page.en, "ja-JP": page.ja} {
			t.Run(page.name+"/"+lang, func(t *testing.T) {
				file, err := filepath.Abs("out/console-" + page.name + "-" + lang[:2])
				if err != nil {
					t.Fatal(err)
				}
				r := browser.ask(t, map[string]string{"do": "pictures", "link": rig.Link, "path": page.path, "lang": lang, "file": file, "press": page.press})
				if len(r.Texts) != 4 {
					t.Fatalf("%d views, want 4", len(r.Texts))
				}
				for _, text := range r.Texts {
					if !strings.HasPrefix(text, lang[:2]+" ") || !strings.Contains(text, says) {
						t.Errorf("the page does not say %q: %s", says, clip(text))
					}
				}
			})
		}
	}
}
