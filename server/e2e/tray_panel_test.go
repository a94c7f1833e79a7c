package e2e

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
	"github.com/drawbridge-app/drawbridge/tray"
)

// panel is a real xfce4-panel on a screen of its own, with a mouse.
type panel struct {
	t testing.TB
	*traySession
	bar *exec.Cmd // xfce4-panel
}

// xfcePanel is its configuration: one bar at the top, with a tray and a clock.
const xfcePanel = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="true"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="32"/>
      <property name="icon-size" type="uint" value="22"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/><value type="int" value="2"/><value type="int" value="3"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator"><property name="expand" type="bool" value="true"/><property name="style" type="uint" value="0"/></property>
    <property name="plugin-2" type="string" value="systray"><property name="square-icons" type="bool" value="true"/><property name="hide-new-items" type="bool" value="false"/></property>
    <property name="plugin-3" type="string" value="clock"/>
  </property>
</channel>
`

func startPanel(t testing.TB) *panel {
	t.Helper()
	for program, pkg := range map[string]string{"Xvfb": "xvfb", "xfce4-panel": "xfce4-panel", "xdotool": "xdotool", "xprop": "x11-utils", "scrot": "scrot", "dunst": "dunst"} {
		keyringtest.Need(t, program, pkg)
	}
	p := &panel{t: t, traySession: startTraySession(t)}
	p.real = true
	// Xvfb chooses a free number and writes it to its third file.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	screen := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1000x640x24", "-nolisten", "tcp")
	screen.ExtraFiles = []*os.File{w}
	p.child(screen)
	_ = w.Close()
	number := make([]byte, 16)
	n, err := r.Read(number)
	if err != nil {
		t.Fatalf("Xvfb named no display: %v", err)
	}
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(string(number[:n])))
	t.Setenv("NO_AT_BRIDGE", "1")
	channels := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "xfce4", "xfconf", "xfce-perchannel-xml")
	if err := os.MkdirAll(channels, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(channels, "xfce4-panel.xml"), []byte(xfcePanel), 0o600); err != nil {
		t.Fatal(err)
	}
	// The bus starts nothing by itself.
	daemons, _ := filepath.Glob("/usr/lib/*/xfce4/xfconf/xfconfd")
	if len(daemons) == 0 {
		t.Fatal("xfconfd is missing: apt-get install -y xfconf")
	}
	p.child(exec.Command(daemons[0]))
	p.awaitName("org.xfce.Xfconf")
	notes := filepath.Join(os.Getenv("HOME"), "dunstrc") // away from the menu
	if err := os.WriteFile(notes, []byte("[global]\norigin = bottom-left\noffset = 12x12\nfont = Sans 10\ntimeout = 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.child(exec.Command("dunst", "-conf", notes))
	p.awaitName("org.freedesktop.Notifications")
	p.restart()
	return p
}

// restart starts the panel, anew if it runs.
func (p *panel) restart() {
	p.t.Helper()
	if p.bar != nil {
		_ = p.bar.Process.Kill()
		waitFor(p.t, "the panel to go", func() bool { return !p.has(watcherName) })
		time.Sleep(500 * time.Millisecond) // the tray makes its menu anew
	}
	p.bar = exec.Command("xfce4-panel", "--disable-wm-check")
	p.child(p.bar)
	p.awaitName(watcherName)
}

// child runs a program until the test ends.
func (p *panel) child(cmd *exec.Cmd) {
	p.t.Helper()
	log := &tail{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if p.t.Failed() {
			p.t.Logf("%s wrote:\n%s", cmd.Path, log)
		}
	})
}

func (p *panel) awaitName(name string) {
	p.t.Helper()
	waitFor(p.t, name, func() bool { return p.has(name) })
}

func (p *panel) has(name string) (yes bool) {
	_ = p.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&yes)
	return yes
}

// window is a window of the panel's tray.
type window struct{ id, x, y, w, h int }

// windows returns the tray itself, and the menus that are open.
func (p *panel) windows() (trays, menus []window) {
	out, _ := exec.Command("xdotool", "search", "--onlyvisible", "--class", "wrapper-2.0").Output()
	for _, id := range strings.Fields(string(out)) {
		kind, err := exec.Command("xprop", "-id", id, "_NET_WM_WINDOW_TYPE").Output()
		geometry, err2 := exec.Command("xdotool", "getwindowgeometry", "--shell", id).Output()
		if err != nil || err2 != nil {
			continue
		}
		v := map[string]int{}
		for _, line := range strings.Fields(string(geometry)) {
			name, value, _ := strings.Cut(line, "=")
			v[name], _ = strconv.Atoi(value)
		}
		win := window{v["WINDOW"], v["X"], v["Y"], v["WIDTH"], v["HEIGHT"]}
		if strings.Contains(string(kind), "MENU") {
			menus = append(menus, win)
		} else {
			trays = append(trays, win)
		}
	}
	return trays, menus
}

func (p *panel) move(x, y int) {
	p.t.Helper()
	if err := exec.Command("xdotool", "mousemove", fmt.Sprint(x), fmt.Sprint(y)).Run(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *panel) click() {
	p.t.Helper()
	if err := exec.Command("xdotool", "click", "1").Run(); err != nil {
		p.t.Fatal(err)
	}
}

// openMenu clicks the icon and returns the menu's window.
func (p *panel) openMenu() window {
	p.t.Helper()
	var menu window
	waitFor(p.t, "the menu to open", func() bool {
		trays, menus := p.windows()
		if len(menus) > 0 {
			menu = menus[0]
			return true
		}
		if len(trays) == 0 {
			return false
		}
		icon := trays[0]
		p.move(icon.x+icon.w/2, icon.y+icon.h/2)
		time.Sleep(150 * time.Millisecond) // the panel has to notice the mouse
		p.click()
		time.Sleep(300 * time.Millisecond)
		return false
	})
	return menu
}

// submenu waits until more menus than before are open and returns the newest.
func (p *panel) submenu(before int) window {
	p.t.Helper()
	var found window
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.picture("failed")
		}
	})
	waitFor(p.t, "the submenu to open", func() bool {
		_, menus := p.windows()
		found = window{}
		for _, m := range menus {
			if m.id > found.id {
				found = m
			}
		}
		return len(menus) > before && found.h > 20 // it opens empty at first
	})
	time.Sleep(200 * time.Millisecond) // until it is painted
	return found
}

// row is the middle of the row of m that stands n rows from its top, of count:
// all are of one height, and the lines between groups hardly count.
func (m window) row(n, count int) (x, y int) {
	const edge = 4
	return m.x + m.w/3, m.y + edge + (2*n+1)*(m.h-2*edge)/(2*count)
}

// hover moves to a row and waits for the submenu that opens beside it.
func (p *panel) hover(m window, n, count int) window {
	p.t.Helper()
	_, menus := p.windows()
	p.move(m.row(n, count))
	return p.submenu(len(menus))
}

// closeMenu closes all that is open.
func (p *panel) closeMenu() {
	p.t.Helper()
	waitFor(p.t, "the menu to close", func() bool {
		_, menus := p.windows()
		if len(menus) == 0 {
			return true
		}
		_ = exec.Command("xdotool", "key", "Escape").Run()
		time.Sleep(100 * time.Millisecond)
		return false
	})
}

// picture saves the screen and returns it.
func (p *panel) picture(name string) image.Image {
	p.t.Helper()
	file := filepath.Join("out", "tray-"+name+".png")
	if out, err := exec.Command("scrot", "-o", file).CombinedOutput(); err != nil {
		p.t.Fatalf("scrot: %v %s", err, out)
	}
	f, err := os.Open(file)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		p.t.Fatal(err)
	}
	return img
}

// count is how many rows a person sees under a row of the menu; "" is the menu.
func (m *TrayMenu) count(path ...string) int {
	m.t.Helper()
	row, ok := m.Find(path...)
	if !ok {
		m.t.Fatalf("no row %q", path)
	}
	n := 0
	for _, sub := range row.rows {
		if sub.visible() && property(sub, "type", "") != "separator" {
			n++
		}
	}
	return n
}

// place is how many visible rows of the menu stand above one.
func (m *TrayMenu) place(title string) int {
	m.t.Helper()
	root, err := m.layout()
	if err != nil {
		m.t.Fatal(err)
	}
	n := 0
	for _, sub := range root.rows {
		switch {
		case strings.HasPrefix(sub.label(), title):
			return n
		case sub.visible() && property(sub, "type", "") != "separator":
			n++
		}
	}
	m.t.Fatalf("no row %q", title)
	return 0
}

// In a real panel, with a mouse: a real client signs in, the menu shows it, a
// click on Revoke ends its access, and a panel that starts anew shows the whole
// menu again. Pictures are left in out/.
func TestTrayPanel(t *testing.T) {
	p := startPanel(t)
	app, menu := p.start(t, AppOptions{Config: func(c *config.Config) { c.Access = config.Access{Emails: []string{"alice@example.com"}} }})
	client := StartScript(t, nil, "clients/sdk-v1.mjs", fmt.Sprintf(`{"url":%q,"redirectURI":%q,"name":"Claude"}`, app.MCPURL, clientURI))
	var start struct{ Authorize string }
	client.Read(&start)
	client.Write(map[string]string{"callback": NewBrowser(t).SignIn(start.Authorize, clientURI, "alice").String()})
	var first calls
	client.Read(&first)
	NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, clientURI)).URL(app), clientURI, "bob")
	menu.Await("● Ready, 1 session")
	menu.Await("Recent events", time.Now().Format("15:04")+" refused: bob@example.com")

	rows := menu.count()
	top := p.openMenu()
	p.picture("menu")
	for _, list := range [][2]string{{"About", "about"}, {"Connect a client", "connect"}, {"Recent events", "events"}} {
		title, name := list[0], list[1]
		p.hover(top, menu.place(title), rows)
		p.picture(name)
		p.closeMenu()
		top = p.openMenu()
	}
	sessions := p.hover(top, menu.place("Sessions"), rows)
	p.picture("sessions")
	session := p.hover(sessions, 0, menu.count("Sessions"))
	inside := menu.count("Sessions", "alice@example.com")
	p.move(session.row(inside-1, inside))
	time.Sleep(200 * time.Millisecond) // until the row is lit
	p.picture("revoke")
	p.click()
	menu.Await("● Ready, 0 sessions")
	client.Write(map[string]string{"do": "call"})
	if out, code := client.Wait(); code == 0 {
		t.Errorf("after Revoke the client still gets: %s", out)
	}

	p.restart()
	time.Sleep(time.Second) // until it has read the menu
	p.hover(p.openMenu(), menu.place("About"), menu.count())
	p.picture("restarted")
}

// statesEnv makes this test's process the one with the tray.
const statesEnv = "DRAWBRIDGE_TRAY_STATES"

// Each state has an icon of its own in a real panel. The server behind it is
// not real: it is in the state that it is told.
func TestTrayPanelStates(t *testing.T) {
	states := map[string]status.Status{
		"starting": {State: status.Starting},
		"ready":    {State: status.Ready, Tunnel: status.Tunnel{State: "up"}},
		"paused":   {State: status.Paused},
		"error":    {State: status.Error, Error: "the keychain is locked, so data-key could not be read: unlock it, then try again"},
		"provider": {State: status.Ready, IDP: status.IDP{State: status.IDPMisconfigured, Error: "dev-1.okta.com refused the client secret: run drawbridge setup"}},
		"tunnel":   {State: status.Ready, Tunnel: status.Tunnel{State: "down", Error: "ngrok refused the authtoken: run drawbridge setup"}},
	}
	if os.Getenv(statesEnv) != "" {
		s := &stormServer{changes: make(chan struct{}, 1)}
		_ = tray.Serve(t.Context(), s, tray.Options{}, func(context.Context) error {
			for in := bufio.NewScanner(os.Stdin); in.Scan(); {
				st := states[in.Text()]
				st.Version, st.MCPURL, st.LocalURL = "v1.0.0", "https://name.ngrok.app/mcp", "http://127.0.0.1:8000"
				s.set(status.Snapshot{Status: st})
			}
			return nil
		})
		return
	}
	p := startPanel(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := startProcess(t, []string{statesEnv + "=1"}, self, "-test.run=^TestTrayPanelStates$")
	menu := OpenTray(t, p.bus, child.cmd.Process.Pid)
	seen := map[string]string{}
	for name, st := range states {
		_, _ = fmt.Fprintln(child.stdin, name)
		menu.until("the state "+name, func() bool {
			row, err := menu.layout()
			return err == nil && strings.HasPrefix(row.rows[0].label(), headlines[name]) && st.State != ""
		})
		p.openMenu()
		time.Sleep(200 * time.Millisecond) // until it is painted
		img := p.picture("state-" + name)
		trays, _ := p.windows()
		p.closeMenu()
		icon := ""
		for y := range trays[0].h {
			for x := range trays[0].w {
				r, g, b, _ := img.At(trays[0].x+x, trays[0].y+y).RGBA()
				icon += string(rune(r>>8)) + string(rune(g>>8)) + string(rune(b>>8))
			}
		}
		if other := seen[icon]; other != "" {
			t.Errorf("%s looks like %s", name, other)
		}
		seen[icon] = name
	}
}

// headlines is how the first line of the menu begins in each state.
var headlines = map[string]string{"starting": "○", "ready": "● Connected", "paused": "‖", "error": "✕ The keychain is locked",
	"provider": "▲ Nobody can sign in", "tunnel": "▲ Nobody can reach"}
