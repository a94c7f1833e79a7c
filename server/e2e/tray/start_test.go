package tray

import (
	"flag"
	"fmt"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

var starts = flag.Int("starts", 10, "how often TestTrayIconFromTheStart starts the program")

// From the moment that a panel hears of it the item has an icon, at each start.
func TestTrayIconFromTheStart(t *testing.T) {
	s := startTraySession(t)
	app := s.configure(t, rig.AppOptions{})
	watcher := startWatcher(t, s.bus)
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for range *starts {
		script := rig.StartProcess(t, app.Program.Env, path, append([]string{"run"}, app.Flags()...)...)
		pid := script.Cmd.Process.Pid
		watcher.await(t, pid)
		icon, err := s.bus.Object(fmt.Sprintf("org.kde.StatusNotifierItem-%d-1", pid), "/StatusNotifierItem").GetProperty("org.kde.StatusNotifierItem.IconPixmap")
		var pictures []struct {
			Width, Height int32
			Points        []byte
		}
		if err != nil || dbus.Store([]any{icon.Value()}, &pictures) != nil || len(pictures) == 0 {
			t.Fatalf("no icon: %v, %v", icon, err)
		}
		for _, p := range pictures {
			if p.Width < 16 || len(p.Points) != int(4*p.Width*p.Height) {
				t.Errorf("an icon of %d by %d points with %d bytes", p.Width, p.Height, len(p.Points))
			}
		}
		_ = script.Cmd.Process.Kill()
		script.Wait()
	}
}

// Where the desktop is Japanese, so is the menu.
func TestTrayInJapanese(t *testing.T) {
	s := startTraySession(t)
	t.Setenv("LC_ALL", "ja_JP.UTF-8")
	app := s.configure(t, rig.AppOptions{})
	menu := s.run(t, app, app.Flags()...)
	menu.Await("● 稼働中（セッション 0 件）")
	menu.Await("セッション", "サインインしている人はいません。")
	menu.Click("終了")
	endedWell(t, app)
}
