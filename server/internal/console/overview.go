package console

import (
	"html/template"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// overview gives what clients need to connect, and says what is wrong.
func (c *Console) overview() *Page {
	return &Page{
		Name:  "overview",
		Draw:  func(r *Request) any { return c.overviewOf(r) },
		Parts: []string{"overview-state", "overview-address", "overview-connect"},
		Actions: map[string]Action{
			"pause":  func(r *Request) (string, error) { return r.Say("overview.did.pause"), c.backend.Pause(r.Context()) },
			"resume": func(r *Request) (string, error) { return r.Say("overview.did.resume"), c.backend.Resume(r.Context()) },
			"retry": func(r *Request) (string, error) {
				c.backend.Retry()
				return r.Say("overview.did.retry"), nil
			},
			"accept": sure(func(r *Request) (string, error) { return c.backend.AcceptURL(r.Context()) }),
		},
	}
}

type overviewData struct {
	Well  bool // nothing needs a look
	Facts []fact

	CanPause, CanResume, CanRetry, CanAccept bool

	Notes string // https address of a newer release's

	QR        template.HTML
	PerServer []pair // names of single servers, and their URLs
	Connect   []card
}

// fact is one part of the way and its state.
type fact struct {
	What  string // key of its name
	Look  string // class: ok, wait, bad, off
	State string // key of a word
	Count int    // for a State that counts
	More  string // in the app's own words: what is wrong, and what to do
	Link  string
}

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
	d.Well = d.CanPause && !slices.ContainsFunc(d.Facts, func(f fact) bool { return f.Look == "bad" || f.Look == "wait" || f.More != "" })
	if strings.HasPrefix(st.Update.URL, "https://") {
		d.Notes = st.Update.URL
	}
	if st.MCPURL != "" {
		d.QR = qrCode(st.MCPURL)
		for _, server := range st.Servers {
			if server.State != "off" {
				d.PerServer = append(d.PerServer, pair{server.Name, st.Issuer + "/s/" + server.Name + "/mcp"})
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
	status.Refused: "wait", "": "off", // outcomes, of which that of OK is a state too
}

func look(state string) string {
	if class := looks[state]; class != "" {
		return class
	}
	return "bad"
}

// facts are the parts of the way from a client to a tool, in its order.
func facts(st status.Status) []fact {
	of := func(what, state, more string) fact {
		return fact{What: what, Look: look(state), State: "state." + what + "." + state, More: more}
	}
	tunnel := of("tunnel", st.Tunnel.State, st.Tunnel.Error)
	if st.Tunnel.State == "up" && st.Tunnel.Error != "" { // it leads elsewhere
		tunnel.Look, tunnel.State = "bad", "state.tunnel.down"
	}
	count := map[string]int{}
	for _, s := range st.Servers {
		count[s.State]++
	}
	worst := "ok"
	switch {
	case count["failed"] > 0:
		worst = "failed"
	case count["starting"] > 0:
		worst = "starting"
	case len(st.Servers) == count["off"]:
		worst = "off"
	}
	servers := of("servers", worst, "")
	servers.Link = "/servers"
	if worst == "failed" {
		servers.Count = count["failed"]
	}
	return []fact{of("drawbridge", string(st.State), st.Error), tunnel, of("provider", st.IDP.State, st.IDP.Error), servers}
}
