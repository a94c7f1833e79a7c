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
// [Console.allPages]; its template stands in assets/console/NAME.html as
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
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Backend is the app as its owner commands it. Errors are sentences for that
// person.
type Backend interface {
	Snapshot() status.Snapshot
	// Watch returns a channel that holds one wake whenever a new Snapshot
	// differs from the last, until ctx ends.
	Watch(ctx context.Context) <-chan struct{}
	// Configured reports whether there is a configuration to work with. While
	// there is none, the console shows only Setup.
	Configured() bool

	Clients() []status.Client
	// RevokeSoon holds a session and ends it in five seconds, unless Keep comes
	// before. Both, and Rename, return control.ErrNotFound if there is none.
	RevokeSoon(ctx context.Context, id string) error
	Keep(ctx context.Context, id string) error
	// Rename gives a session a name of the owner's, "" for none.
	Rename(ctx context.Context, id, label string) error
	// RevokeAll ends all sessions and returns how many there were.
	RevokeAll(ctx context.Context) (int, error)
	// RevokeWhere ends the sessions of the person sub, of the client clientID,
	// or of both together; "" is any.
	RevokeWhere(ctx context.Context, sub, clientID string) (int, error)

	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Retry opens now what could not be opened: the keychain, the tunnel.
	Retry()
	// AcceptURL takes the other public URL that the tunnel gives, and returns
	// what to do next.
	AcceptURL(ctx context.Context) (string, error)
	// Doctor runs every check; it may take a minute.
	Doctor(ctx context.Context) []status.Check

	// Attempts returns the latest tries of clients to connect.
	Attempts() []status.Attempt
	// Config is what config.toml says; SetConfig saves it, with the comments of
	// the file, and applies it at once.
	Config() config.Config
	SetConfig(ctx context.Context, c config.Config) error
	// Panic ends every session, changes the data key and closes the tunnel. It
	// returns what happened and what to do next.
	Panic(ctx context.Context) (string, error)

	// Logs returns what a mounted server wrote, oldest first; false if there is
	// none of that name.
	Logs(server string) ([]status.LogLine, bool)
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
	// Access returns what a person with this address and these groups may use.
	Access(ctx context.Context, email string, groups []string) ([]status.Entry, error)
	// Changes returns the tools whose description is no longer what it was.
	Changes() []status.ToolChange
	// ApproveChange takes what a held tool says now for good.
	ApproveChange(ctx context.Context, server, tool, version string) error

	// Approvals returns the calls that wait for a click, oldest first.
	Approvals() []status.Approval
	// Gone returns the calls that have just stopped waiting.
	Gone() []status.Approval
	// Answer lets a waiting call go on, or refuses it.
	Answer(ctx context.Context, id string, allow bool) error
	// AllowTool lets a waiting call go on, and what its session calls of the
	// same tool in the next minutes.
	AllowTool(ctx context.Context, id string) error
	// EndLeave has a session ask about each call of a tool again, or returns
	// [control.ErrNotFound].
	EndLeave(ctx context.Context, session, server, tool string) error
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

	logins logins
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
	c.logins.now = o.Now
	c.list = c.allPages()
	for _, page := range c.list {
		c.pages[page.Name] = page
	}
	c.mux = c.routes()
	var err error
	c.sets, err = parseTemplates()
	return c, err
}

// allPages is the navigation, in its order.
func (c *Console) allPages() []*Page {
	return []*Page{
		c.overview(),
		c.sessions(),
		c.activity(),
		c.servers(),
		c.access(),
		c.approvals(),
		c.settings(),
		c.doctor(),
		c.setup(),
		c.alarm(),
	}
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
