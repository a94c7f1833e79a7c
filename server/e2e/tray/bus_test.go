package tray

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// TrayMenu reads and clicks the menu of a running Drawbridge as a panel does:
// through com.canonical.dbusmenu, on a session bus of the test's own. There is
// no screen.
type TrayMenu struct {
	t    testing.TB
	bus  *dbus.Conn
	name string // of the tray item on the bus
	menu dbus.BusObject
}

const dbusMenu = "com.canonical.dbusmenu."

// OpenTray waits for the tray item of process pid, and until its menu says how
// Drawbridge does.
func OpenTray(t testing.TB, bus *dbus.Conn, pid int) *TrayMenu {
	t.Helper()
	m := &TrayMenu{t: t, bus: bus, name: fmt.Sprintf("org.kde.StatusNotifierItem-%d-1", pid)}
	item := bus.Object(m.name, "/StatusNotifierItem")
	rig.WaitFor(t, "the tray item", func() bool {
		path, err := item.GetProperty("org.kde.StatusNotifierItem.Menu")
		if err != nil {
			return false
		}
		m.menu = bus.Object(m.name, path.Value().(dbus.ObjectPath))
		return true
	})
	rig.WaitFor(t, "the menu", func() bool {
		root, err := m.layout()
		if err != nil {
			return false
		}
		for _, row := range root.rows {
			if row.visible() {
				return row.label() != "Drawbridge" // which it says until it knows better
			}
		}
		return false
	})
	return m
}

// menuRow is one row as a panel gets it.
type menuRow struct {
	id    int32
	props map[string]dbus.Variant
	rows  []menuRow
}

func (m *TrayMenu) layout() (menuRow, error) {
	var revision uint32
	var root any
	call := m.menu.Call(dbusMenu+"GetLayout", 0, int32(0), int32(-1), []string{})
	if call.Err != nil {
		return menuRow{}, call.Err
	}
	revision, _ = call.Body[0].(uint32)
	_ = revision
	root = call.Body[1]
	return toRow(root), nil
}

func toRow(v any) menuRow {
	parts := v.([]any) // (ia{sv}av)
	r := menuRow{id: parts[0].(int32), props: parts[1].(map[string]dbus.Variant)}
	for _, sub := range parts[2].([]dbus.Variant) {
		r.rows = append(r.rows, toRow(sub.Value()))
	}
	return r
}

func property[T any](r menuRow, name string, otherwise T) T {
	if v, ok := r.props[name].Value().(T); ok {
		return v
	}
	return otherwise
}

func (r menuRow) visible() bool { return property(r, "visible", true) }
func (r menuRow) enabled() bool { return property(r, "enabled", true) }
func (r menuRow) checked() bool { return property(r, "toggle-state", int32(0)) == 1 }

// label is the text a person reads: a panel shows "__" as "_".
func (r menuRow) label() string {
	return strings.ReplaceAll(property(r, "label", ""), "__", "_")
}

// Text is the whole menu, a row a line.
func (m *TrayMenu) Text() string {
	m.t.Helper()
	root, err := m.layout()
	if err != nil {
		m.t.Fatalf("read the menu: %v", err)
	}
	var b strings.Builder
	root.write(&b, "", false)
	return b.String()
}

// All is Text with the rows that are hidden.
func (m *TrayMenu) All() string {
	root, err := m.layout()
	if err != nil {
		return ""
	}
	var b strings.Builder
	root.write(&b, "", true)
	return b.String()
}

// whole reports whether the panel has got the submenus of submenus too.
func (m *TrayMenu) whole() bool { return strings.Contains(m.All(), "Details…") }

func (r menuRow) write(b *strings.Builder, indent string, hidden bool) {
	for _, sub := range r.rows {
		if !hidden && !sub.visible() || property(sub, "type", "") == "separator" {
			continue
		}
		check := ""
		if sub.checked() {
			check = " [x]"
		}
		b.WriteString(indent + sub.label() + check + "\n")
		sub.write(b, indent+"  ", hidden)
	}
}

// clock is when an event was.
var clock = regexp.MustCompile(`^\d\d:\d\d `)

// Find returns the first visible row whose labels begin with those of path,
// after the time if there is one, from the top down.
func (m *TrayMenu) Find(path ...string) (menuRow, bool) {
	row, err := m.layout()
	if err != nil {
		return row, false
	}
next:
	for _, want := range path {
		for _, sub := range row.rows {
			if sub.visible() && strings.HasPrefix(clock.ReplaceAllString(sub.label(), ""), want) {
				row = sub
				continue next
			}
		}
		return menuRow{}, false
	}
	return row, true
}

// Await waits for a row, at most the second that a change may take to be
// shown, and somewhat more for slow machines.
func (m *TrayMenu) Await(path ...string) menuRow {
	m.t.Helper()
	var row menuRow
	m.until(fmt.Sprintf("the row %q", path), func() (ok bool) {
		row, ok = m.Find(path...)
		return ok
	})
	return row
}

// AwaitGone waits until there is no such row.
func (m *TrayMenu) AwaitGone(path ...string) {
	m.t.Helper()
	m.until(fmt.Sprintf("the row %q to go", path), func() bool {
		_, ok := m.Find(path...)
		return !ok
	})
}

// until looks a hundred times a second, as far as the machine lets it: where it
// is busy with other work, both the menu and the looking are slower.
func (m *TrayMenu) until(what string, cond func() bool) {
	m.t.Helper()
	start, looks := time.Now(), 0
	for deadline := start.Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		looks++
		if cond() {
			if took := time.Since(start); took > time.Second && looks > 60 {
				m.t.Errorf("%s took %v to be shown, more than a second", what, took)
			}
			return
		}
	}
	m.t.Fatalf("no %s in the menu:\n%s", what, m.Text())
}

// Click waits for a row and clicks it.
func (m *TrayMenu) Click(path ...string) {
	m.t.Helper()
	row := m.Await(path...)
	if !row.enabled() {
		m.t.Fatalf("the row %q is grey", path)
	}
	m.send(row)
}

// send clicks a row whatever its state.
func (m *TrayMenu) send(row menuRow) {
	m.t.Helper()
	if err := m.menu.Call(dbusMenu+"Event", 0, row.id, "clicked", dbus.MakeVariant(""), uint32(0)).Err; err != nil {
		m.t.Fatalf("click %q: %v", row.label(), err)
	}
}
