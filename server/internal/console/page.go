package console

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Page is one place of the console.
type Page struct {
	// Name is the template's, and the first part of its texts' keys.
	Name string

	// Draw returns what the template and its parts call .Data. It is asked again
	// and again while the page lives, and must be quick.
	Draw func(*Request) any
	// Parts are the templates that are drawn again when something changed.
	Parts []string
	// Actions are what its forms do, by the last part of their address.
	Actions map[string]Action
	// Files are what its links with the attribute "download" give: lines of JSON.
	Files map[string]func(*Request) []byte
}

// Path is where the page is.
func (p *Page) Path() string {
	if p.Name == "overview" {
		return "/"
	}
	return "/" + p.Name
}

// Action does what a form asks for. The page is drawn again with the sentence
// it returns, or with the error as one.
type Action func(*Request) (said string, err error)

// Request is a request of the owner. Form values are query and body together.
type Request struct {
	*http.Request
	*assets.Texts
	Now  time.Time
	Snap status.Snapshot

	// Result is what an action found, for the page that is drawn after it; Warn
	// says that it is no good news.
	Result any
	Warn   bool

	token string // set by an action that ended all others
}

// Query returns a value of the form or of the address, cut to what a person
// would type.
func (r *Request) Query(name string) string {
	v := r.FormValue(name)
	return v[:min(len(v), 4000)]
}

// view is what templates see.
type view struct {
	*assets.Texts
	Page    *Page
	Pages   []*Page
	Path    string // with the query, as the address bar shows it
	Version string
	Now     time.Time
	Snap    status.Snapshot
	Waiting int // approvals
	Said    string
	Tone    string // class of Said: good, warn, bad
	Data    any
	Content template.HTML
}

// Title is what the tab says.
func (v *view) Title() string {
	title := v.Say(v.Page.Name+".title") + " · Drawbridge"
	if v.Waiting > 0 {
		title = fmt.Sprintf("(%d) %s", v.Waiting, title)
	}
	return title
}

// get answers the shell, a page, a file of it, or its stream.
func (c *Console) get(w http.ResponseWriter, r *http.Request) {
	name, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	page := c.page(name)
	found := page != nil && (file == "" || page.Files[file] != nil)
	if r.Header.Get("Authorization") == "" {
		c.shell(w, r, found)
		return
	}
	live := r.Header.Get("Accept") == ndjson
	v := c.visitor(r, !live)
	switch {
	case v == nil:
		refuse(w, r, http.StatusUnauthorized, "console.ended")
	case !found && live:
		refuse(w, r, http.StatusNotFound, "console.nothing")
	case !found:
		c.draw(w, c.request(r), &missing, "", http.StatusNotFound)
	case live:
		c.live(w, c.request(r), page, v)
	case file != "":
		w.Header().Set("Content-Type", ndjson)
		w.Header().Set("Content-Disposition", "attachment")
		w.Write(page.Files[file](c.request(r)))
	default:
		c.draw(w, c.request(r), page, "", http.StatusOK)
	}
}

// missing is shown where there is no page.
var missing = Page{Name: "missing", Draw: func(*Request) any { return nil }}

// page returns the page of a name, or nil. Until there is a configuration that
// is Setup, whatever was asked for.
func (c *Console) page(name string) *Page {
	if !c.backend.Configured() {
		return c.pages["setup"]
	}
	if name == "" {
		name = c.list[0].Name
	}
	return c.pages[name]
}

// post does what a form asks for, and draws its page again.
func (c *Console) post(w http.ResponseWriter, r *http.Request) {
	if c.visitor(r, true) == nil {
		refuse(w, r, http.StatusUnauthorized, "console.ended")
		return
	}
	page := c.page(r.PathValue("page"))
	if page == nil || page.Actions[r.PathValue("verb")] == nil {
		refuse(w, r, http.StatusNotFound, "console.nothing")
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, r, http.StatusBadRequest, "console.form")
		return
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // when it passed, it would end r's context
	control.SetWriteDeadline(time.Now().Add(doctorTime + answerTime))
	req := c.request(r)
	code := http.StatusOK
	said, err := page.Actions[r.PathValue("verb")](req)
	if req.token != "" {
		w.Header().Set(tokenHeader, req.token)
	}
	if err != nil {
		c.log.Info("console: refused", "path", r.URL.Path) // the cause may quote what was typed, such as a secret
		said, code = err.Error(), http.StatusUnprocessableEntity
	}
	req.Snap = c.backend.Snapshot()
	c.draw(w, req, c.page(page.Name), said, code)
}

func (c *Console) request(r *http.Request) *Request {
	return &Request{Request: r, Texts: textsFor(r), Now: c.now(), Snap: c.backend.Snapshot()}
}

// view gathers what a page shows at this moment.
func (c *Console) view(r *Request, page *Page, said string, failed bool) *view {
	v := &view{Texts: r.Texts, Page: page, Pages: c.list, Path: page.Path(), Version: c.version, Now: r.Now, Snap: r.Snap,
		Waiting: len(c.backend.Approvals()), Said: said, Tone: "good", Data: page.Draw(r)}
	if failed {
		v.Tone = "bad"
	} else if r.Warn {
		v.Tone = "warn"
	}
	if !c.backend.Configured() {
		v.Pages = []*Page{c.pages["setup"]}
	}
	if query := r.URL.Query().Encode(); query != "" {
		v.Path += "?" + query
	}
	return v
}

// draw answers with a page whole or not at all: half of one could lack its
// warning.
func (c *Console) draw(w http.ResponseWriter, r *Request, page *Page, said string, code int) {
	v := c.view(r, page, said, code != http.StatusOK)
	content, err := c.execute(r.Lang, page.Name, v)
	v.Content = template.HTML(content) // which html/template has escaped
	if err == nil {
		content, err = c.execute(r.Lang, "frame", v)
	}
	if err != nil {
		c.log.Error("console: page not drawn", "page", page.Name, "cause", err)
		refuse(w, r.Request, http.StatusInternalServerError, "console.broken")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Location", v.Path)
	w.WriteHeader(code)
	io.WriteString(w, content)
}

// shell answers with what holds no data: its script fetches the rest.
func (c *Console) shell(w http.ResponseWriter, r *http.Request, found bool) {
	lang := textsFor(r).Lang
	content, err := c.execute(lang, "shell", nil)
	if err != nil {
		c.log.Error("console: shell not drawn", "cause", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if !found {
		w.WriteHeader(http.StatusNotFound)
	}
	io.WriteString(w, content)
}

func (c *Console) execute(lang, name string, data any) (string, error) {
	var b strings.Builder
	err := c.sets[lang].ExecuteTemplate(&b, name, data)
	return b.String(), err
}

// parseTemplates returns the templates by language.
func parseTemplates() (map[string]*template.Template, error) {
	sets := map[string]*template.Template{}
	for _, lang := range assets.Languages {
		t := assets.TextsFor(lang)
		var err error
		if sets[lang], err = assets.Console(t, functions(t)); err != nil {
			return nil, err
		}
	}
	return sets, nil
}
