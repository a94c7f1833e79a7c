package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// maxLog is how many of a server's latest lines are shown.
const maxLog = 100

// Mounts is what the owner commands of the mounted servers.
type Mounts interface {
	RestartServer(name string) error
	// SwitchServer turns a mounted server on or off, across restarts.
	SwitchServer(ctx context.Context, name string, on bool) error
	// Entry is what mcp.json says of a server, and which of its secrets it asked
	// for in vain; false if there is none of that name.
	Entry(server string) (entry config.Server, missing []string, ok bool)
	// Offers returns what a server offers, as far as it has said so.
	// [config.BuiltIn] is the server of the built-in tools.
	Offers(server string) []status.Offer
	// Try calls a tool as the owner, and returns the result of tools/call.
	Try(ctx context.Context, server, tool string, arguments json.RawMessage) (json.RawMessage, error)
	// SwitchTool turns a tool on or off for everybody.
	SwitchTool(ctx context.Context, server, tool string, on bool) error
	SetSecret(ctx context.Context, server, name, value string) error
	PutServer(ctx context.Context, entry config.Server) error
	RemoveServer(ctx context.Context, name string) error
	// Pasted is what [Backend.Add] would add of what somebody pasted, and Found of
	// other programs' servers on this computer.
	Pasted(text, name string) (config.Import, error)
	Found() (config.Import, error)
	Add(ctx context.Context, plan config.Import) error
	// Changes returns the tools whose description is no longer what it was.
	Changes() []status.ToolChange
	// ApproveChange takes what a held tool says now for good.
	ApproveChange(ctx context.Context, server, tool, version string) error
}

// servers shows the mounted servers and what changed about their tools; one
// server with all that it offers (?server=NAME), or one of its tools
// (&tool=NAME). An address that adds or changes one has a form of its own (?add,
// ?server=NAME&edit).
func (c *Console) servers() *Page {
	return &Page{
		Name:  "servers",
		Draw:  func(r *Request) any { return c.serversOf(r) },
		Parts: []string{"servers-changes", "servers-list", "servers-one", "servers-log"},
		Actions: map[string]Action{
			"restart": func(r *Request) (string, error) {
				name := r.PostFormValue("name")
				return r.Say("servers.did.restart", name), c.backend.RestartServer(name)
			},
			"on":      c.switchServer(true),
			"off":     c.switchServer(false),
			"approve": c.approveChange,
			"tool":    c.switchTool,
			"try":     c.tryTool,
			"secret":  c.setSecret,
			"add":     c.addServer,
			"find":    c.findServers,
			"import":  c.importServers,
			"save":    c.saveServer,
			"remove":  sure(c.removeServer),

			"sign-in":  c.signIn,
			"sign-out": c.signOut,
			"as":       c.signInAs,
			"client":   c.signInClient,
		},
	}
}

func (c *Console) switchServer(on bool) Action {
	key := map[bool]string{true: "servers.did.on", false: "servers.did.off"}[on]
	return func(r *Request) (string, error) {
		name := r.PostFormValue("name")
		return r.Say(key, name), c.backend.SwitchServer(r.Context(), name, on)
	}
}

func (c *Console) approveChange(r *Request) (string, error) {
	tool := r.PostFormValue("tool")
	for _, change := range c.backend.Changes() {
		if change.Server == r.PostFormValue("server") && change.Tool == tool && change.Version == r.PostFormValue("version") &&
			!fold(change.New, false).Whole && r.PostFormValue("seen") != key(change.New) {
			return "", errors.New(r.Say("servers.unread"))
		}
	}
	return r.Say("servers.did.approve", cmp.Or(tool, r.PostFormValue("server"))), c.backend.ApproveChange(r.Context(), r.PostFormValue("server"), tool, r.PostFormValue("version"))
}

// serversData is one of the page's views.
type serversData struct {
	Servers []serverRow
	Changes []changeRow

	One  *serverView
	Tool *toolView
	Edit *entryForm
	Add  *addView
}

type serverRow struct {
	status.Server
	Look, Word, URL string // Word is the key of what State is called
	BuiltIn         bool
	Missing         []string // secrets
}

// changeRow is something that a server has changed or added.
type changeRow struct {
	status.ToolChange
	Key, Seen   string
	Was, Is     folded
	IsNew, Open bool
}

// serverView is all of one server.
type serverView struct {
	serverRow
	Kinds     []kindView
	Everybody bool             // who may sign in may use all of it
	Program   string           // or URL
	Secrets   []string         // that are there
	Log       []status.LogLine // newest first

	SignInView *signInView // nil: it has asked for none
}

// kindView is what a server offers of one kind.
type kindView struct {
	Kind   string
	Offers []status.Offer
}

func (c *Console) serversOf(r *Request) serversData {
	var d serversData
	at := r.URL.Query() // and not what a form says of the one that it is about
	rows := c.serverRows(r)
	if i := slices.IndexFunc(rows, func(row serverRow) bool { return row.Name == at.Get("server") }); i >= 0 {
		offers := c.backend.Offers(rows[i].Name)
		if j := slices.IndexFunc(offers, func(o status.Offer) bool { return o.Kind == "tool" && o.Name == at.Get("tool") }); j >= 0 {
			d.Tool = toolOf(r, rows[i], offers[j])
		} else if at.Has("edit") && !rows[i].BuiltIn {
			d.Edit = c.entryForm(r, rows[i].Name)
		} else {
			d.One = c.serverView(r, rows[i], offers)
		}
		return d
	}
	if at.Has("add") {
		d.Add = addViewOf(r)
		return d
	}
	d.Servers = rows
	for _, change := range c.backend.Changes() {
		id := key(change.Server, change.Kind, change.Tool)
		open := r.Query("open") == id
		d.Changes = append(d.Changes, changeRow{change, id, key(change.New), fold(change.Old, open), fold(change.New, open), change.Old == "", open})
	}
	return d
}

// serverRows are the mounted servers and, last, the built-in tools.
func (c *Console) serverRows(r *Request) []serverRow {
	var rows []serverRow
	for _, s := range r.Snap.Status.Servers {
		row := serverRow{Server: s, Look: look(s.State), Word: "state.server." + s.State}
		if s.SignIn.Wanted() {
			row.Look, row.Word = "wait", "servers.signin."+s.SignIn.State
		}
		if r.Snap.Status.Issuer != "" {
			row.URL = r.Snap.Status.Issuer + "/s/" + s.Name + "/mcp"
		}
		_, row.Missing, _ = c.backend.Entry(s.Name)
		rows = append(rows, row)
	}
	own := serverRow{Server: status.Server{Name: config.BuiltIn, State: "ok"}, Look: look("ok"), Word: "state.server.ok", BuiltIn: true}
	for _, o := range c.backend.Offers(config.BuiltIn) {
		if !o.Off {
			own.Tools++
		}
	}
	return append(rows, own)
}

func (c *Console) serverView(r *Request, row serverRow, offers []status.Offer) *serverView {
	v := &serverView{serverRow: row}
	v.Everybody = !slices.ContainsFunc(offers, func(o status.Offer) bool { return o.Whom != nil })
	for _, kind := range []string{"tool", "prompt", "resource", "template"} {
		of := slices.DeleteFunc(slices.Clone(offers), func(o status.Offer) bool { return o.Kind != kind })
		if len(of) > 0 {
			v.Kinds = append(v.Kinds, kindView{kind, of})
		}
	}
	entry, missing, _ := c.backend.Entry(row.Name)
	v.Program, v.SignInView = entry.Program(), signInOf(r, row.Server, entry)
	v.Secrets = slices.DeleteFunc(config.Secrets(entry), func(name string) bool { return slices.Contains(missing, name) })
	lines, _ := c.backend.Logs(row.Name)
	v.Log = slices.Clone(lines[max(0, len(lines)-maxLog):])
	slices.Reverse(v.Log)
	return v
}

// show has the page drawn with other values in its address.
func (r *Request) show(values ...string) {
	query := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		query.Set(values[i], values[i+1])
	}
	r.URL.RawQuery = query.Encode()
}
