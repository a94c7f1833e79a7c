package console

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// maxLog is how many of a server's latest lines are shown.
const maxLog = 100

// servers shows the mounted servers, what changed about their tools, and what
// a person may use of them.
func (c *Console) servers() *Page {
	return &Page{
		Name:  "servers",
		Draw:  func(r *Request) any { return c.serversOf(r) },
		Parts: []string{"servers-changes", "servers-list"},
		Actions: map[string]Action{
			"restart": func(r *Request) (string, error) {
				name := r.PostFormValue("name")
				return r.Say("servers.did.restart", name), c.backend.RestartServer(name)
			},
			"on":      c.switchServer(true),
			"off":     c.switchServer(false),
			"approve": c.approveChange,
			"access":  c.access,
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

// access finds out what a person would see. It is an action, so that the
// address names nobody.
func (c *Console) access(r *Request) (string, error) {
	a := accessAnswer{Email: r.Query("email"), Groups: r.Query("groups")}
	for group := range strings.SplitSeq(a.Groups, ",") {
		if group = strings.TrimSpace(group); group != "" {
			a.groups = append(a.groups, group)
		}
	}
	var err error
	if a.Entries, err = c.backend.Access(r.Context(), strings.TrimSpace(a.Email), a.groups); err != nil {
		return "", err
	}
	slices.SortStableFunc(a.Entries, func(x, y status.Entry) int { return strings.Compare(x.Server, y.Server) })
	r.Result = &a
	return "", nil // the page says it beside the form
}

type serversData struct {
	Servers []serverRow
	Changes []changeRow
	Access  *accessAnswer
}

type serverRow struct {
	status.Server
	Look string
	URL  string
	Log  []status.LogLine // newest first
}

// changeRow is something that a server has changed or added.
type changeRow struct {
	status.ToolChange
	Key, Seen   string
	Was, Is     folded
	IsNew, Open bool
}

type accessAnswer struct {
	Email, Groups string
	Entries       []status.Entry
	groups        []string
}

func (c *Console) serversOf(r *Request) serversData {
	var d serversData
	for _, change := range c.backend.Changes() {
		id := key(change.Server, change.Kind, change.Tool)
		open := r.Query("open") == id
		d.Changes = append(d.Changes, changeRow{change, id, key(change.New), fold(change.Old, open), fold(change.New, open), change.Old == "", open})
	}
	d.Access, _ = r.Result.(*accessAnswer)
	for _, s := range r.Snap.Status.Servers {
		row := serverRow{Server: s, Look: look(s.State)}
		if r.Snap.Status.Issuer != "" {
			row.URL = r.Snap.Status.Issuer + "/s/" + s.Name + "/mcp"
		}
		lines, _ := c.backend.Logs(s.Name)
		row.Log = slices.Clone(lines[max(0, len(lines)-maxLog):])
		slices.Reverse(row.Log)
		d.Servers = append(d.Servers, row)
	}
	return d
}
