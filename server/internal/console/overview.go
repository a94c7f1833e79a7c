package console

import (
	"context"
	"html/template"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// overview says how it goes, and gives what clients need to connect.
func (c *Console) overview() *Page {
	return &Page{
		Name:  "overview",
		Draw:  func(r *Request) any { return c.overviewOf(r) },
		Parts: []string{"overview-state", "overview-address", "overview-connect"},
		Actions: map[string]Action{
			"pause":  c.told("overview.did.pause", Backend.Pause),
			"resume": c.told("overview.did.resume", Backend.Resume),
			"retry": func(r *Request) (string, error) {
				c.backend.Retry()
				return r.Say("overview.did.retry"), nil
			},
			"accept": sure(func(r *Request) (string, error) { return c.backend.AcceptURL(r.Context()) }),
		},
	}
}

// told makes an action of a verb that has nothing to tell.
func (c *Console) told(key string, do func(Backend, context.Context) error) Action {
	return func(r *Request) (string, error) { return r.Say(key), do(c.backend, r.Context()) }
}

type overviewData struct {
	Facts     []fact
	CanPause  bool
	CanResume bool
	CanRetry  bool
	CanAccept bool
	QR        template.HTML
	PerServer []address // of single servers
	Connect   []card
}

// fact is one part of the way and its state.
type fact struct {
	What  string // key of its name
	Look  string // class: ok, wait, bad, off
	State string // key of a word
	More  string // in the app's own words: what is wrong, and what to do
	Link  string
}

// address is the MCP URL of one server.
type address struct{ Name, URL string }

func (c *Console) overviewOf(r *Request) overviewData {
	st := r.Snap.Status
	d := overviewData{
		Facts:     facts(st),
		CanPause:  st.State == status.Ready,
		CanResume: st.State == status.Paused,
		CanRetry:  st.State == status.Error || st.State == status.Ready && st.Tunnel.State == "down",
		CanAccept: strings.Contains(st.Tunnel.Error, "`drawbridge tunnel accept`"),
		Connect:   cards(st.MCPURL, c.backend.Clients()),
	}
	if st.MCPURL != "" {
		d.QR = qrCode(st.MCPURL)
		for _, server := range st.Servers {
			if server.State != "off" {
				d.PerServer = append(d.PerServer, address{server.Name, st.Issuer + "/s/" + server.Name + "/mcp"})
			}
		}
	}
	return d
}

// looks are the classes in which states are shown; what is not here is "bad".
var looks = map[string]string{
	"ready": "ok", "up": "ok", "ok": "ok",
	"starting": "wait", "connecting": "wait", "unreachable": "wait",
	"paused": "off", "off": "off",
}

func look(state string) string {
	if class := looks[state]; class != "" {
		return class
	}
	return "bad"
}

// facts are the parts of the way from a client to a tool, in its order.
func facts(st status.Status) []fact {
	of := func(what, state, more, link string) fact {
		return fact{what, look(state), "state." + what + "." + state, more, link}
	}
	list := []fact{
		of("drawbridge", string(st.State), st.Error, ""),
		of("tunnel", st.Tunnel.State, st.Tunnel.Error, ""),
		of("provider", st.IDP.State, st.IDP.Error, ""),
	}
	if st.Tunnel.State == "up" && st.Tunnel.Error != "" { // it leads elsewhere
		list[1].Look, list[1].State = "bad", "state.tunnel.down"
	}
	servers := "ok"
	for _, s := range st.Servers {
		if s.State == "failed" || s.State == "starting" && servers == "ok" {
			servers = s.State
		}
	}
	if len(st.Servers) == 0 {
		servers = "off"
	}
	return append(list, of("servers", servers, "", "/servers"))
}
