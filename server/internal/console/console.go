// Package console is the pages by which the owner looks at Drawbridge and
// commands it: a small web application on the loopback control listener, drawn here,
// with plain scripts that fetch it.
//
// Every address answers without authorization the same empty shell, which
// holds no data. Its script takes the key from the link's fragment, exchanges
// it for a token of its own and fetches the page with that. There is no cookie:
// cookies of 127.0.0.1 go to every port, and another local user may serve one.
// The package keeps nothing that lasts and decides nothing: it asks [Backend].
//
// To add a page: write a [Page] (see doctor.go for a small one) and name it in
// [New]; its template stands in assets/console/NAME.html as
// {{define "NAME"}}, its sentences in assets/texts/en*.json and ja*.json under
// "NAME.…", among them "NAME.title", which the navigation shows too. A part of
// the page that goes on living is a template of its own, listed in Page.Parts
// and drawn as
//
//	<div data-part="NAME-list">{{template "NAME-list" .}}</div>
//
// A form is <form method="post" action="/NAME/verb"> and is answered by
// Page.Actions["verb"]: see [Action]. Give forms, details and rows an id, by
// which a redrawn page keeps focus and open details. What strangers chose goes
// through name, text, lines, address or rich in the template.
//
// Start at [New].
package console

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Backend is the app as its owner commands it: as the control listener does, and
// more. Errors are sentences for that person.
type Backend interface {
	control.Backend
	Mounts

	// Configured reports whether there is a configuration to work with. While
	// there is none, the console shows only Setup.
	Configured() bool
	// Config is what config.toml says; ChangeConfig saves what change makes of
	// it, with the comments of the file, and applies it at once.
	Config() config.Config
	ChangeConfig(ctx context.Context, change func(*config.Config) error) error

	// RevokeSoon holds a session and ends it in five seconds, unless Keep comes
	// before. Both, and Rename, return [control.ErrNotFound] if there is none.
	RevokeSoon(ctx context.Context, id string) error
	Keep(ctx context.Context, id string) error
	// Rename gives a session a name of the owner's, "" for none.
	Rename(ctx context.Context, id, label string) error
	// Panic ends every session, changes the data key and closes the tunnel. It
	// returns what happened and what to do next.
	Panic(ctx context.Context) (string, error)

	// Approvals returns the calls that wait for a click, oldest first.
	Approvals() []status.Approval
	// Gone returns the calls that have just stopped waiting.
	Gone() []status.Approval
	// Answer lets a waiting call go on, or refuses it.
	Answer(ctx context.Context, id string, allow bool) error
	// AllowTool lets a waiting call go on, and what its session calls of the
	// same tool in the next minutes.
	AllowTool(ctx context.Context, id string) error
}

// Options make a [Console].
type Options struct {
	Backend Backend
	Setup   Configurer       // nil: Setup only names the command
	Version string           // Drawbridge's own
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: none
}

// Console serves the pages.
type Console struct {
	backend    Backend
	configurer Configurer
	version    string
	now        func() time.Time
	log        *slog.Logger

	logins *logins
	list   []*Page          // as the navigation shows them
	pages  map[string]*Page // by name
	sets   map[string]*template.Template
	mux    http.Handler
}

// New returns a console, which lets nobody in before [Console.Open].
func New(o Options) (*Console, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Console{backend: o.Backend, configurer: o.Setup, version: o.Version, now: o.Now, log: o.Log, pages: map[string]*Page{}}
	c.logins = newLogins(o.Now)
	c.list = []*Page{c.overview(), c.sessions(), c.activity(), c.clients(), c.servers(), c.access(), c.approvals(), c.settings(), c.doctor(), c.setup(), c.alarm()}
	for _, page := range c.list {
		c.pages[page.Name] = page
	}
	c.mux = c.routes()
	var err error
	c.sets, err = parseTemplates()
	return c, err
}

// Open says where the console is (http://127.0.0.1:PORT) and by which key it
// opens.
func (c *Console) Open(url, key string) { c.logins.open(url, key) }

// Link returns an address that opens the console once, within [onceTime]: fit
// for a command line, which other users of this machine can read.
func (c *Console) Link() string { return c.logins.link() }

// Close ends every token and every stream.
func (c *Console) Close() { c.logins.forget() }

// ServeHTTP answers what has passed the control listener's own guard.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	for path, file := range assets.ConsoleFiles {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", file.Type)
			w.Write(file.Body)
		})
	}
	mux.HandleFunc("POST /session", c.enter)
	mux.HandleFunc("GET /", c.get)
	mux.HandleFunc("POST /{page}/{verb}", c.post)
	return guard(mux)
}
