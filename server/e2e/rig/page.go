package rig

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Page is where a navigation ended.
type Page struct {
	URL    *url.URL
	Status int // 0: the navigation stopped before visiting URL
	Header http.Header
	Body   string
}

// Form is one HTML form: where it goes and what it holds.
type Form struct {
	Action, Method string
	Values         url.Values          // inputs that are sent whichever button is pressed
	Buttons        map[string][]string // name → values of the submit buttons
	Passwords      []string            // names of password fields
}

// Query returns one parameter of the page's URL.
func (p *Page) Query(name string) string { return p.URL.Query().Get(name) }

// Forms returns the page's forms in order.
func (p *Page) Forms() []Form {
	root, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return nil
	}
	var forms []Form
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "form" {
			forms = append(forms, readForm(n))
		}
	}
	return forms
}

func readForm(node *html.Node) Form {
	f := Form{Action: attr(node, "action"), Method: strings.ToUpper(attr(node, "method")), Values: url.Values{}, Buttons: map[string][]string{}}
	for n := range node.Descendants() {
		name, value, kind := attr(n, "name"), attr(n, "value"), attr(n, "type")
		switch {
		case n.Type != html.ElementNode || name == "":
		case n.Data == "button" || n.Data == "input" && kind == "submit":
			f.Buttons[name] = append(f.Buttons[name], value)
		case n.Data == "input" && (kind == "checkbox" || kind == "radio") && !hasAttr(n, "checked"):
		case n.Data == "input" && kind == "password":
			f.Passwords = append(f.Passwords, name)
			f.Values.Set(name, value)
		case n.Data == "input":
			f.Values.Add(name, value)
		}
	}
	return f
}

// FormWith returns the first form that has a button or field called name.
func (p *Page) FormWith(name string) (Form, bool) {
	for _, f := range p.Forms() {
		if f.Values.Has(name) || len(f.Buttons[name]) > 0 {
			return f, true
		}
	}
	return Form{}, false
}

// Text returns what a person reads on the page.
func (p *Page) Text() string {
	root, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return p.Body
	}
	var words []string
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// Submit presses the button name=value of the form on page that has it, with
// more fields filled in as given, and follows redirects up to stop.
func (b *Browser) Submit(p *Page, name, value, stop string, fill ...string) *Page {
	b.T.Helper()
	form, ok := p.FormWith(name)
	if !ok {
		b.T.Fatalf("no form with %q at %s (status %d): %s", name, WithoutQuery(p.URL), p.Status, Clip(p.Text()))
	}
	form.Values.Set(name, value)
	for i := 0; i+1 < len(fill); i += 2 {
		form.Values.Set(fill[i], fill[i+1])
	}
	action := form.Action
	if action == "" {
		action = p.URL.String()
	}
	if form.Method == http.MethodPost {
		return b.Post(p, action, form.Values, stop)
	}
	return b.Follow(p, action+"?"+form.Values.Encode(), stop)
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func Clip(s string) string {
	if len(s) > 400 {
		return s[:400] + "…"
	}
	return s
}

// WantStatus fails the test unless p answered with status.
func (p *Page) WantStatus(t testing.TB, status int) {
	t.Helper()
	if p.Status != status {
		t.Fatalf("%s answered %d, want %d: %s", WithoutQuery(p.URL), p.Status, status, Clip(p.Text()))
	}
}

// MustBeTold fails the test unless a refresh was answered as it must be while
// the provider is away.
func (app *App) MustBeTold(t testing.TB, r *Reply) {
	t.Helper()
	r.Want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	MustNotShow(t, r.Body)
}

// MustNotShow fails the test if a text for strangers tells what only the log
// may know.
func MustNotShow(t testing.TB, text string) {
	t.Helper()
	for _, inside := range []string{"dial tcp", "connection refused", "goroutine", ".go:", "127.0.0.1", "context deadline", "status 5", "panic", "no space", "bbolt", "/tmp"} {
		if strings.Contains(strings.ToLower(text), inside) {
			t.Errorf("it shows %q: %s", inside, Clip(text))
		}
	}
}
