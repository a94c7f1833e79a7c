package tray

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A call that waits, as a person meets it: a note of a real notification daemon
// with buttons that work, and the menu's first row, light and dark.
func TestTrayPanelAsk(t *testing.T) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := startPanel(t)
	app, menu := p.start(t, asking(t, folder))
	app.WaitForServers(t)
	client := rig.StartRealClient(t, app.MCPURL, "v1", "legacy", "alice")
	p.awaitShowing("1") // the sign-in's
	p.awaitShowing("0")
	file := filepath.Join(folder, "a.txt")

	client.Write(file, "<b>grüezi</b>")
	menu.Await("1 call needs your approval…")
	p.awaitShowing("1")
	p.openMenu()
	p.picture("ask-dark")
	p.closeMenu()
	p.press("Allow")
	var got rig.ToolAnswer
	if err := client.Answer(&got); err != nil || got.IsError {
		t.Errorf("allowed: %+v, %v", got, err)
	}
	if text, _ := os.ReadFile(file); string(text) != "<b>grüezi</b>" {
		t.Errorf("the file holds %q", text)
	}
	p.awaitShowing("0")

	if out, err := exec.Command("xfconf-query", "-c", "xfce4-panel", "-p", "/panels/dark-mode", "-s", "false").CombinedOutput(); err != nil {
		t.Fatalf("xfconf-query: %v %s", err, out)
	}
	p.restart()
	client.Write(file, strings.Repeat("Dear diary, ", 300))
	menu.Await("1 call needs your approval…")
	p.awaitShowing("1")
	p.openMenu()
	p.picture("ask-light")
	p.closeMenu()
	p.press("Read all")
	p.openedAddress(t, consoleURL(t, app, "/approvals"))
	p.awaitShowing("0")
}
