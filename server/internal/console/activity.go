package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// activity is the history: events, and the attempts of clients to connect.
func (c *Console) activity() *Page {
	return &Page{
		Name:    "activity",
		Draw:    func(r *Request) any { return c.activityOf(r) },
		Parts:   []string{"activity-list"},
		Actions: map[string]Action{"allow": c.allow},
		Files:   map[string]func(*Request) []byte{"events.jsonl": export},
	}
}

// groups are the first words of event types, in the order of a connection.
var groups = []string{"client", "consent", "signin", "token", "session", "tool", "tunnel", "idp", "server"}

var outcomes = []string{status.OK, status.Refused, status.Failed}

type activityData struct {
	Filter   wanted
	Groups   []string
	Outcomes []string
	Tries    bool // attempts are shown, not events
	Count    int  // of events or attempts; a page holds rows
	Days     []day
	Attempts []status.Attempt
	Query    template.URL // of the page itself
	pages
}

// day is what happened on one day, newest first.
type day struct {
	Name string
	Rows []eventRow
}

// eventRow is an event, and those before it that say the same.
type eventRow struct {
	status.Event        // the newest
	Key          string // the ID of the oldest, which stays while others come
	Allow        string // a redirect URI that may be allowed
	Times        int
	Each         []status.Event // newest first, maxEach at most
	Hidden       int            // how many more there are
}

// maxEach is how many events of a row are named.
const maxEach = 20

// wanted says which rows to show; "" wants all.
type wanted struct{ Group, Outcome, User, Client, Text string }

func wantedBy(r *Request) wanted {
	return wanted{r.Query("group"), r.Query("outcome"), r.Query("user"), r.Query("client"), r.Query("text")}
}

func (c *Console) activityOf(r *Request) activityData {
	d := activityData{Filter: wantedBy(r), Groups: groups, Outcomes: outcomes, Tries: r.Query("show") == "attempts", Query: template.URL(r.URL.Query().Encode())}
	if d.Tries {
		list := slices.DeleteFunc(translated(c.backend.Attempts(), r.Lang), func(a status.Attempt) bool { return !d.Filter.attempt(a) })
		slices.SortStableFunc(list, func(a, b status.Attempt) int { return b.Last.Compare(a.Last) })
		d.Count, d.pages = len(list), paged(r, len(list))
		d.Attempts = list[d.from:d.to]
		return d
	}
	list := d.Filter.events(r.Snap.Events)
	slices.Reverse(list)
	rows := rowsOf(list)
	d.Count, d.pages = len(list), paged(r, len(rows))
	for _, row := range rows[d.from:d.to] {
		name := dayName(r.Texts, r.Now, row.Time)
		if n := len(d.Days); n == 0 || d.Days[n-1].Name != name {
			d.Days = append(d.Days, day{Name: name})
		}
		last := &d.Days[len(d.Days)-1]
		last.Rows = append(last.Rows, row)
	}
	return d
}

// rowsOf folds events that follow each other on one day and differ only in
// time, address, session and id.
func rowsOf(list []status.Event) (rows []eventRow) {
	same := func(a, b status.Event) bool {
		day := a.Time.Local().Format(time.DateOnly) == b.Time.Local().Format(time.DateOnly)
		for _, e := range []*status.Event{&a, &b} {
			e.ID, e.Time, e.Count, e.Session, e.Remote = "", time.Time{}, 0, "", ""
		}
		return day && a == b
	}
	for _, e := range list {
		if n := len(rows); n == 0 || !same(rows[n-1].Event, e) {
			rows = append(rows, eventRow{Event: e})
			if e.Type == status.ClientRefused {
				rows[n].Allow = e.RedirectURI
			}
		}
		row := &rows[len(rows)-1]
		row.Key = e.ID
		row.Times += max(e.Count, 1)
		if len(row.Each) < maxEach {
			row.Each = append(row.Each, e)
		} else {
			row.Hidden++
		}
	}
	return rows
}

// translated returns the attempts in the words of a language.
func translated(list []status.Attempt, lang string) []status.Attempt {
	list = slices.Clone(list)
	for i := range list {
		a := &list[i]
		a.Verdict = cmp.Or(timeline.Sentence(lang, "verdict."+a.VerdictKey, a.Args), a.Verdict)
		a.Steps = slices.Clone(a.Steps)
		for j := range a.Steps {
			step := &a.Steps[j]
			step.Text = cmp.Or(timeline.Sentence(lang, "step."+step.Key, step.Args), step.Text)
		}
	}
	return list
}

func (f wanted) events(all []status.Event) []status.Event {
	var list []status.Event
	for _, e := range all {
		group, _, _ := strings.Cut(e.Type, ".")
		if (f.Group == "" || f.Group == group) && f.fits(e.Outcome, e.User, e.Client, e.Type, e.Reason, e.Tool, e.Session, e.ID, e.Remote, e.RedirectURI) {
			list = append(list, e)
		}
	}
	return list
}

func (f wanted) attempt(a status.Attempt) bool {
	texts := []string{a.Verdict, a.Session, a.Remote, a.ID}
	for _, step := range a.Steps {
		texts = append(texts, step.Text)
	}
	return f.fits(a.Outcome, a.User, a.Client, texts...)
}

func (f wanted) fits(outcome, user, client string, texts ...string) bool {
	all := strings.Join(append(texts, user, client), "\n")
	return (f.Outcome == "" || f.Outcome == outcome) && has(user, f.User) && has(client, f.Client) && has(all, f.Text)
}

// has reports whether s holds part, whatever the case of its letters.
func has(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(strings.TrimSpace(part)))
}

// export gives the events that the filter wants, oldest first, one a line: the
// form in which `drawbridge events --json` prints them.
func export(r *Request) []byte {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, e := range wantedBy(r).events(r.Snap.Events) {
		lines.Encode(e)
	}
	return b.Bytes()
}

// allow adds a redirect URI that was refused, and no other, to those allowed.
func (c *Console) allow(r *Request) (string, error) {
	uri := r.PostFormValue("uri")
	if !slices.ContainsFunc(r.Snap.Events, func(e status.Event) bool {
		return uri != "" && e.Type == status.ClientRefused && e.RedirectURI == uri
	}) {
		return "", errors.New(r.Say("activity.allow.unknown"))
	}
	return r.Say("activity.allow.did"), c.backend.ChangeConfig(r.Context(), func(cfg *config.Config) error {
		if !slices.Contains(cfg.Clients.Allowed, uri) {
			cfg.Clients.Allowed = append(slices.Clone(cfg.Clients.Allowed), uri)
		}
		return nil
	})
}
