package console

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// perPage is how many rows a page of a long list has.
const perPage = 50

// liveTime is how long after its latest request a session counts as in use.
const liveTime = 2 * time.Minute

// sessions shows who is signed in, and ends that.
func (c *Console) sessions() *Page {
	return &Page{
		Name:  "sessions",
		Draw:  func(r *Request) any { return sessionsOf(r) },
		Parts: []string{"sessions-list"},
		Actions: map[string]Action{
			"revoke":  c.ofSession("sessions.leaves", Backend.RevokeSoon),
			"keep":    c.ofSession("sessions.kept", Backend.Keep),
			"rename":  c.rename,
			"unblock": c.unblock,
			"ask":     c.askAgain,
			"all":     sure(c.revokeAll),
		},
	}
}

// ofSession does something to the session that a form names.
func (c *Console) ofSession(key string, do func(Backend, context.Context, string) error) Action {
	return func(r *Request) (string, error) {
		id := r.PostFormValue("id")
		if id == "" {
			return "", errors.New(r.Say("sessions.whose"))
		}
		err := do(c.backend, r.Context(), id)
		if errors.Is(err, control.ErrNotFound) {
			return r.Say("sessions.gone"), nil
		}
		return r.Say(key), err
	}
}

func (c *Console) unblock(r *Request) (string, error) {
	err := c.backend.Unblock(r.Context(), r.PostFormValue("id"))
	if errors.Is(err, control.ErrNotFound) {
		return r.Say("sessions.unblock.gone"), nil
	}
	return r.Say("sessions.unblocked"), err
}

func (c *Console) rename(r *Request) (string, error) {
	return c.ofSession("sessions.did.rename", func(b Backend, ctx context.Context, id string) error {
		return b.Rename(ctx, id, r.PostFormValue("label"))
	})(r)
}

// askAgain ends the leave of a session to call a tool without asking.
func (c *Console) askAgain(r *Request) (string, error) {
	server, tool := r.PostFormValue("server"), r.PostFormValue("tool")
	err := c.backend.EndLeave(r.Context(), r.PostFormValue("id"), server, tool)
	if errors.Is(err, control.ErrNotFound) {
		return r.Say("sessions.leave.gone"), nil
	}
	return r.Say("sessions.leave.did", server+": "+tool), err
}

func (c *Console) revokeAll(r *Request) (string, error) {
	n, err := c.backend.RevokeAll(r.Context())
	return r.Count("sessions.did", n), err
}

// sure does what can't be undone only if the question before it was answered.
func sure(do Action) Action {
	return func(r *Request) (string, error) {
		if r.PostFormValue("sure") != "yes" {
			return "", errors.New(r.Say("sure.missing"))
		}
		return do(r)
	}
}

type sessionsData struct {
	Rows []sessionRow
	pages
}

type sessionRow struct {
	status.Session
	Live            bool // used in the last moments
	Who, ClientName string
	Vouched         string // key of how sure the client's identity is
	How             string // it began, if not in a browser
}

func sessionsOf(r *Request) sessionsData {
	d := sessionsData{pages: paged(r, len(r.Snap.Sessions))}
	for _, s := range r.Snap.Sessions[d.from:d.to] {
		client := cmp.Or(assets.Name(s.Client.Name), r.Say("client.unnamed"))
		d.Rows = append(d.Rows, sessionRow{s, r.Now.Sub(s.LastUsedAt) < liveTime, who(s.User), client, vouched(s.Client), r.Through(s.Through, assets.Name(s.Provider))})
	}
	return d
}

// vouched says whether somebody besides the client stands for its name. A
// metadata document names where answers may go; a program on a device can wait
// there under any name, so that it proves nothing.
func vouched(c status.SessionClient) string {
	host, _, err := net.SplitHostPort(c.RedirectHost)
	if err != nil {
		host = strings.Trim(c.RedirectHost, "[]")
	}
	switch local := hostname.Loopback(host); {
	case c.Kind == "cimd" && local:
		return "kind.local"
	case c.Kind == "cimd" || c.Kind == "static":
		return "kind." + c.Kind
	}
	return "kind.dcr"
}

func who(u status.User) string {
	return cmp.Or(assets.Name(u.Email), assets.Name(u.Name), assets.Name(u.Sub), "?")
}

// pages is where one is in a long list.
type pages struct {
	Total, Page, Pages int
	Earlier, Later     template.URL // queries; "" if there is none
	from, to           int
}

// paged cuts a list of n at the page that the address asks for.
func paged(r *Request, n int) pages {
	p := pages{Total: n, Pages: max(1, (n+perPage-1)/perPage)}
	p.Page, _ = strconv.Atoi(r.Query("page"))
	p.Page = min(max(p.Page, 1), p.Pages)
	p.from = (p.Page - 1) * perPage
	p.to = min(p.from+perPage, n)
	to := func(page int) template.URL {
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(page))
		return template.URL("?" + q.Encode())
	}
	if p.Page > 1 {
		p.Later = to(p.Page - 1)
	}
	if p.Page < p.Pages {
		p.Earlier = to(p.Page + 1)
	}
	return p
}
