package tray

import (
	"bytes"
	"image/color"
	"image/png"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"sync"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/assets"
)

// Where tray icons and their menus are on the bus.
const (
	itemPath  = dbus.ObjectPath("/StatusNotifierItem")
	itemName  = "org.kde.StatusNotifierItem"
	menuPath  = dbus.ObjectPath("/StatusNotifierItem/menu")
	menuName  = "com.canonical.dbusmenu"
	panelName = "org.kde.StatusNotifierWatcher" // by what tray icons find a panel
)

// properties are those of a row, or of an object on the bus.
type properties = map[string]dbus.Variant

// busMenu is the icon and its menu on the session bus: a StatusNotifierItem of
// freedesktop.org and a com.canonical.dbusmenu.
//
// It answers one call after the other, in their order. Panels of libdbusmenu
// (XFCE, waybar) ask for rows and then, without waiting, for those of their
// submenus: where the second answer overtakes the first, the submenu stays
// empty for good.
type busMenu struct {
	bus    *dbus.Conn
	calls  chan *dbus.Message // all that comes on the bus
	click  func(action)
	opened chan struct{} // the menu has been opened

	mu      sync.Mutex // guards all below, and the order of what is sent
	item    properties
	icon    assets.IconState
	tooltip string
	rows    []busRow // by their IDs; 0 is the menu itself
	known   bool     // panels have been told of the icon
}

// tooltip is what is shown under the pointer: (sa(iiay)ss).
type tooltip struct {
	Icon        string
	Pictures    []picture
	Title, Text string
}

// busRow is a row of the menu.
type busRow struct {
	properties properties
	does       action
	rows       []int32
}

// newBusMenu makes the menu on a connection of its own. Nobody sees it before
// it is drawn.
func newBusMenu(bus *dbus.Conn, click func(action), log *slog.Logger) (*busMenu, error) {
	m := &busMenu{bus: bus, calls: make(chan *dbus.Message, 4096), click: click, opened: make(chan struct{}, 1), item: properties{
		"Category":      dbus.MakeVariant("ApplicationStatus"),
		"Id":            dbus.MakeVariant("Drawbridge"),
		"Title":         dbus.MakeVariant("Drawbridge"),
		"Status":        dbus.MakeVariant("Active"),
		"IconName":      dbus.MakeVariant(""),
		"IconThemePath": dbus.MakeVariant(""),
		"ItemIsMenu":    dbus.MakeVariant(true),
		"Menu":          dbus.MakeVariant(menuPath),
	}}
	err := bus.AddMatchSignal(dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, panelName))
	if err != nil {
		return nil, err
	}
	var panel bool
	if bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, panelName).Store(&panel) == nil && !panel {
		log.Warn("no panel shows tray icons yet: the icon appears when one does (GNOME needs the AppIndicator extension). `drawbridge status` works meanwhile")
	}
	bus.Eavesdrop(m.calls) // godbus would answer each call in a goroutine of its own
	return m, nil
}

// serve answers until the bus goes away.
func (m *busMenu) serve() {
	for msg := range m.calls {
		switch msg.Type {
		case dbus.TypeMethodCall:
			m.answer(msg)
		case dbus.TypeSignal:
			var name, before, after string
			if dbus.Store(msg.Body, &name, &before, &after) == nil && name == panelName && after != "" {
				m.mu.Lock()
				m.register()
				m.mu.Unlock()
			}
		}
	}
}

// register has the panel show the icon, once there is one. It needs m.mu.
func (m *busMenu) register() {
	if m.known {
		m.bus.Object(panelName, "/StatusNotifierWatcher").Go(panelName+".RegisterStatusNotifierItem", dbus.FlagNoReplyExpected, nil, string(itemPath))
	}
}

func (m *busMenu) draw(v view) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.rows
	m.rows = nil
	m.add(row{rows: v.Rows})
	newIcon, newTooltip := m.icon != v.Icon, m.tooltip != v.Tooltip
	m.icon, m.tooltip = v.Icon, v.Tooltip
	if newIcon {
		m.item["IconPixmap"] = dbus.MakeVariant([]picture{pictureOf(assets.Icon(v.Icon))})
	}
	if newTooltip {
		m.item["ToolTip"] = dbus.MakeVariant(tooltip{Title: v.Tooltip, Pictures: []picture{}})
	}
	if !m.known {
		m.known = true
		m.bus.BusObject().Go("org.freedesktop.DBus.RequestName", dbus.FlagNoReplyExpected, nil,
			itemName+"-"+strconv.Itoa(os.Getpid())+"-1", dbus.NameFlagDoNotQueue)
		m.register()
		return
	}
	if newIcon {
		_ = m.bus.Emit(itemPath, itemName+".NewIcon")
	}
	if newTooltip {
		_ = m.bus.Emit(itemPath, itemName+".NewToolTip")
	}
	var changed []rowProperties
	for id, r := range m.rows {
		if !maps.Equal(r.properties, before[id].properties) {
			changed = append(changed, rowProperties{int32(id), r.properties})
		}
	}
	if len(changed) > 0 {
		_ = m.bus.Emit(menuPath, menuName+".ItemsPropertiesUpdated", changed, []struct {
			ID    int32
			Names []string
		}{})
	}
}

// add adds r and its submenu to m.rows, and returns its ID. It needs m.mu.
func (m *busMenu) add(r row) int32 {
	id := len(m.rows)
	b := busRow{does: r.does, properties: properties{
		"visible": dbus.MakeVariant(r.Title != "" || r.separator || id == 0),
		"enabled": dbus.MakeVariant(!r.grey),
		"label":   dbus.MakeVariant(escape(r.Title, "linux")),
	}}
	if r.separator {
		b.properties["type"] = dbus.MakeVariant("separator")
	}
	if r.box {
		state := int32(0)
		if r.checked {
			state = 1
		}
		b.properties["toggle-type"], b.properties["toggle-state"] = dbus.MakeVariant("checkmark"), dbus.MakeVariant(state)
	}
	if len(r.rows) > 0 {
		b.properties["children-display"] = dbus.MakeVariant("submenu")
	}
	m.rows = append(m.rows, b)
	for _, sub := range r.rows {
		m.rows[id].rows = append(m.rows[id].rows, m.add(sub))
	}
	return int32(id)
}

// picture is an icon on the bus: its points in the order alpha, red, green,
// blue.
type picture struct {
	Width, Height int32
	Points        []byte
}

func pictureOf(file []byte) picture {
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		panic(err) // the file is embedded: this build is broken
	}
	size := img.Bounds().Size()
	p := picture{Width: int32(size.X), Height: int32(size.Y)}
	for y := range size.Y {
		for x := range size.X {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			p.Points = append(p.Points, c.A, c.R, c.G, c.B)
		}
	}
	return p
}
