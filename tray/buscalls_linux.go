package tray

import (
	"github.com/godbus/dbus/v5"
)

// rowProperties are a row's in an answer: (ia{sv}).
type rowProperties struct {
	ID         int32
	Properties properties
}

// layout is a row with its submenu in an answer: (ia{sv}av).
type layout struct {
	ID         int32
	Properties properties
	Rows       []dbus.Variant
}

// rowEvent is what a panel says of a row: (isvu).
type rowEvent struct {
	ID   int32
	Kind string
	Data dbus.Variant
	Time uint32
}

// revision of the menu's structure: it never changes.
const revision = uint32(1)

// answer answers one call.
func (m *busMenu) answer(call *dbus.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path, _ := call.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	face, _ := call.Headers[dbus.FieldInterface].Value().(string)
	member, _ := call.Headers[dbus.FieldMember].Value().(string)
	var answer []any
	switch {
	case face == "org.freedesktop.DBus.Peer" && member == "Ping":
		answer = []any{}
	case face == "org.freedesktop.DBus.Properties":
		answer = m.property(path, member, call.Body)
	case face == itemName && member == "Activate": // a left click, where that opens no menu: LXQt
		m.click(action{kind: openConsole, page: "/"})
		answer = []any{}
	case path == menuPath && (face == menuName || face == ""):
		answer = m.menuCall(member, call.Body)
	}
	if call.Flags&dbus.FlagNoReplyExpected != 0 {
		return
	}
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Body: answer, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
		dbus.FieldDestination: call.Headers[dbus.FieldSender],
	}}
	if answer == nil {
		reply.Type, reply.Body = dbus.TypeError, []any{"Unknown method, or invalid arguments"}
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant("org.freedesktop.DBus.Error.UnknownMethod")
	}
	if len(reply.Body) > 0 {
		reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(reply.Body...))
	}
	m.bus.Send(reply, nil)
}

// property answers Get and GetAll; nil for what is not there.
func (m *busMenu) property(path dbus.ObjectPath, member string, body []any) []any {
	all := m.item
	if path == menuPath {
		all = properties{"Version": dbus.MakeVariant(uint32(3)), "TextDirection": dbus.MakeVariant("ltr"),
			"Status": dbus.MakeVariant("normal"), "IconThemePath": dbus.MakeVariant([]string{})}
	}
	var face, name string
	switch {
	case member == "GetAll" && dbus.Store(body, &face) == nil:
		return []any{all}
	case member == "Get" && dbus.Store(body, &face, &name) == nil:
		if v, ok := all[name]; ok {
			return []any{v}
		}
	}
	return nil
}

// menuCall answers a call of com.canonical.dbusmenu; nil for what there is not.
func (m *busMenu) menuCall(member string, body []any) []any {
	var (
		id, depth int32
		ids       []int32
		name      string
		names     []string
		e         rowEvent
		events    []rowEvent
	)
	switch {
	case member == "GetLayout" && dbus.Store(body, &id, &depth, &names) == nil && m.has(id):
		return []any{revision, m.layout(id, depth)}
	case member == "GetGroupProperties" && dbus.Store(body, &ids, &names) == nil:
		list := []rowProperties{}
		for _, id := range ids {
			if m.has(id) {
				list = append(list, rowProperties{id, m.rows[id].properties})
			}
		}
		return []any{list}
	case member == "GetProperty" && dbus.Store(body, &id, &name) == nil && m.has(id):
		if v, ok := m.rows[id].properties[name]; ok {
			return []any{v}
		}
	case member == "Event" && dbus.Store(body, &e.ID, &e.Kind, &e.Data, &e.Time) == nil:
		m.happened(e)
		return []any{}
	case member == "EventGroup" && dbus.Store(body, &events) == nil:
		for _, e := range events {
			m.happened(e)
		}
		return []any{[]int32{}}
	case member == "AboutToShow":
		return []any{false}
	case member == "AboutToShowGroup":
		return []any{[]int32{}, []int32{}}
	}
	return nil
}

func (m *busMenu) has(id int32) bool { return id >= 0 && int(id) < len(m.rows) }

// layout is a row and depth levels below it; -1 for all.
func (m *busMenu) layout(id, depth int32) layout {
	l := layout{ID: id, Properties: m.rows[id].properties, Rows: []dbus.Variant{}}
	if depth != 0 {
		for _, sub := range m.rows[id].rows {
			l.Rows = append(l.Rows, dbus.MakeVariant(m.layout(sub, depth-1)))
		}
	}
	return l
}

// happened takes a click, or that the menu was opened.
func (m *busMenu) happened(e rowEvent) {
	switch {
	case e.Kind == "clicked" && e.ID > 0 && m.has(e.ID):
		m.click(m.rows[e.ID].does)
	case e.Kind == "opened" && e.ID == 0:
		select {
		case m.opened <- struct{}{}:
		default:
		}
	}
}
