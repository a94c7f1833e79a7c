package tray

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// panel is a real xfce4-panel on a screen of its own, with a mouse.
type panel struct {
	t testing.TB
	*traySession
	bar    *exec.Cmd // xfce4-panel
	button string    // file with the label of the button to press
}

// press presses a button of a notification that the real daemon shows.
func (p *panel) press(label string) {
	p.t.Helper()
	if err := os.WriteFile(p.button, []byte(label), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if out, err := exec.Command("dunstctl", "context").CombinedOutput(); err != nil {
		p.t.Fatalf("dunstctl: %v %s", err, out)
	}
}

// awaitShowing waits until the real daemon shows so many notifications.
func (p *panel) awaitShowing(count string) {
	p.t.Helper()
	var last string
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("notifications: %s at last, wanted %s", last, count)
		}
	})
	rig.WaitFor(p.t, count+" notifications", func() bool {
		out, err := exec.Command("dunstctl", "count", "displayed").CombinedOutput()
		last = strings.TrimSpace(string(out))
		return err == nil && last == count
	})
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
	p.reads = watchReads(t, p.bus)
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
	choose := filepath.Join(os.Getenv("HOME"), "choose") // the person who chooses a button
	if err := os.WriteFile(choose, []byte("#!/bin/sh\ngrep -m1 \"$(cat "+choose+".button)\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.button = choose + ".button"
	if err := os.WriteFile(notes, []byte("[global]\norigin = bottom-left\noffset = 12x12\nwidth = 420\nheight = 300\nfont = Sans 10\ntimeout = 4\ndmenu = "+choose+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.child(exec.Command("dunst", "-conf", notes))
	p.awaitName("org.freedesktop.Notifications")
	p.restart()
	return p
}

// restart starts the panel, anew if it runs, and waits until it has read the
// menu there is.
func (p *panel) restart() {
	p.t.Helper()
	if p.menu != nil {
		_ = p.bar.Process.Kill()
		rig.WaitFor(p.t, "the panel to go", func() bool { return !p.has(watcherName) })
	}
	before := p.reads.count()
	p.bar = exec.Command("xfce4-panel", "--disable-wm-check")
	p.child(p.bar)
	p.awaitName(watcherName)
	if p.menu != nil {
		p.reads.await(p.t, before, wholeMenu...)
	}
}

// child runs a program until the test ends.
func (p *panel) child(cmd *exec.Cmd) {
	p.t.Helper()
	log := &rig.Tail{}
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
	rig.WaitFor(p.t, name, func() bool { return p.has(name) })
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

// move moves the mouse, and waits until it is there.
func (p *panel) move(x, y int) {
	p.t.Helper()
	if err := exec.Command("xdotool", "mousemove", "--sync", fmt.Sprint(x), fmt.Sprint(y)).Run(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *panel) click() {
	p.t.Helper()
	if err := exec.Command("xdotool", "click", "1").Run(); err != nil {
		p.t.Fatal(err)
	}
}

// openMenu clicks the icon and returns the menu's window, painted.
func (p *panel) openMenu() window {
	p.t.Helper()
	var menu window
	rig.WaitFor(p.t, "the menu to open", func() bool {
		trays, menus := p.windows()
		if len(menus) == 0 && len(trays) > 0 {
			icon := trays[0]
			p.move(icon.x+icon.w/2-1, icon.y+icon.h/2) // the pointer has to move to be noticed
			p.move(icon.x+icon.w/2, icon.y+icon.h/2)
			p.click()
			menus = p.wait(func(menus []window) bool { return len(menus) > 0 })
		}
		if len(menus) > 0 {
			menu = menus[0]
		}
		return len(menus) > 0
	})
	p.painted(menu)
	return menu
}

// wait waits a moment for the open menus to be as cond says, and returns them: a
// click on a menu that is on its way would close it.
func (p *panel) wait(cond func(menus []window) bool) (menus []window) {
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, menus = p.windows(); cond(menus) {
			break
		}
	}
	return menus
}

// painted waits until a window shows text, and nothing on the screen changes.
func (p *panel) painted(win window) {
	p.t.Helper()
	p.until(fmt.Sprintf("a window at %d,%d to be painted", win.x, win.y), func(now, before image.Image) bool {
		return len(colours(now, win)) > 8 && same(now, before, window{w: now.Bounds().Dx(), h: now.Bounds().Dy()})
	})
}

// until looks at the screen until cond holds of the picture and the one before.
func (p *panel) until(what string, cond func(now, before image.Image) bool) {
	p.t.Helper()
	before := p.picture("looking")
	rig.WaitFor(p.t, what, func() bool {
		now := p.picture("looking")
		defer func() { before = now }()
		return cond(now, before)
	})
}

// colours are those of a part of the screen.
func colours(img image.Image, part window) map[color.Color]bool {
	found := map[color.Color]bool{}
	for y := part.y; y < part.y+part.h; y++ {
		for x := part.x; x < part.x+part.w; x++ {
			found[img.At(x, y)] = true
		}
	}
	return found
}

// same reports whether a part of the screen looks the same in both pictures.
func same(a, b image.Image, part window) bool {
	for y := part.y; y < part.y+part.h; y++ {
		for x := part.x; x < part.x+part.w; x++ {
			if a.At(x, y) != b.At(x, y) {
				return false
			}
		}
	}
	return true
}

// row is the middle of the row of m that stands n rows from its top, of count:
// all are of one height, and the lines between groups hardly count.
func (m window) row(n, count int) (x, y int) {
	const edge = 4
	return m.x + m.w/3, m.y + edge + (2*n+1)*(m.h-2*edge)/(2*count)
}

// descend opens the menu and one submenu below the other, each by its row and how
// many rows there are, and returns all that is open then. A panel that misses the
// pointer, or has not read a submenu yet and shows it empty, is treated as a
// person would: all is closed and opened again.
func (p *panel) descend(rows ...[2]int) []window {
	p.t.Helper()
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.picture("failed")
		}
	})
	var open []window
	rig.WaitFor(p.t, "the submenu to open", func() bool {
		p.closeMenu()
		open = []window{p.openMenu()}
		for depth, row := range rows {
			x, y := open[depth].row(row[0], row[1])
			p.move(x-1, y) // the pointer has to move to be noticed
			p.move(x, y)
			is := func(menus []window) bool { return len(menus) > depth+1 && newest(menus).h > 20 } // it opens empty at first
			menus := p.wait(is)
			if !is(menus) {
				return false
			}
			open = append(open, newest(menus))
		}
		return true
	})
	p.painted(open[len(open)-1])
	return open
}

// newest is the window that was opened last.
func newest(windows []window) (last window) {
	for _, w := range windows {
		if w.id > last.id {
			last = w
		}
	}
	return last
}

// closeMenu closes all that is open.
func (p *panel) closeMenu() {
	p.t.Helper()
	rig.WaitFor(p.t, "the menu to close", func() bool {
		_, menus := p.windows()
		if len(menus) == 0 {
			return true
		}
		_ = exec.Command("xdotool", "key", "Escape").Run()
		return len(p.wait(func(now []window) bool { return len(now) < len(menus) })) == 0
	})
}

// picture saves the screen and returns it.
func (p *panel) picture(name string) image.Image {
	p.t.Helper()
	file := filepath.Join("out", "tray-"+name+".png")
	_ = os.MkdirAll("out", 0o755)
	if out, err := exec.Command("scrot", "-q", "1", "-o", file).CombinedOutput(); err != nil {
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
