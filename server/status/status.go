// Package status says what Drawbridge is doing, in the shapes that the tray,
// the console and the command line print. It decides nothing, and of ours
// imports limit and wait alone, so that every part can speak it. Start at [Snapshot].
package status

import (
	"encoding/json"
	"strings"
	"time"
)

// State is the whole app in one word.
type State string

// The states of the app, as `drawbridge status --json` prints them.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Paused   State = "paused"
	Error    State = "error"
)

// Status is the object that `drawbridge status --json` prints.
type Status struct {
	State      State    `json:"state"`
	Error      string   `json:"error,omitempty"` // why State is "error", and what to do
	Version    string   `json:"version"`
	PID        int      `json:"pid"`
	MCPURL     string   `json:"mcp_url"`
	Issuer     string   `json:"issuer"`
	LocalURL   string   `json:"local_url"`
	ConsoleURL string   `json:"console_url"`
	Tunnel     Tunnel   `json:"tunnel"`
	IDP        IDP      `json:"idp"`
	Sessions   int      `json:"sessions"`
	Servers    []Server `json:"servers"`
	Update     Update   `json:"update,omitzero"` // a release that is newer than Version
	Notes      []string `json:"notes,omitempty"` // what a person should know although nothing failed
}

// Update is a release, and where its notes are: an https address.
type Update struct {
	Version string `json:"version"` // without a v before it
	URL     string `json:"url"`
}

// Tunnel is the state of the way in from the internet.
type Tunnel struct {
	State string `json:"state"` // up, connecting, down, off
	URL   string `json:"url"`
	Error string `json:"error"`

	Since       time.Time `json:"since,omitzero"`        // of State
	NextAttempt time.Time `json:"next_attempt,omitzero"` // while down; none if something must change first
	Offered     string    `json:"offered,omitempty"`     // another URL, which the owner may accept
}

// The states of the identity provider, as it last answered.
const (
	IDPOK            = "ok"
	IDPUnreachable   = "unreachable"
	IDPMisconfigured = "misconfigured"
)

// IDP is the identity provider as it last answered.
type IDP struct {
	State  string `json:"state"` // ok, unreachable, misconfigured
	Issuer string `json:"issuer"`
	Error  string `json:"error"`
}

// Server is one mounted MCP server.
type Server struct {
	Name  string `json:"name"`
	State string `json:"state"` // ok, starting, failed, off
	Tools int    `json:"tools"`
	Error string `json:"error"`

	SignIn SignIn `json:"sign_in,omitzero"`
}

// The states of a sign-in at a mounted server.
const (
	SignInNeeded = "needed"
	SignInOK     = "ok"
	SignInAgain  = "again" // the server takes no longer what it gave, or wants more rights
)

// Whose account is used at a mounted server: [server.NAME] sign_in.
const (
	AsOwner = "owner" // the owner's, for whoever the rules let in
	AsEach  = "each"  // each person's own; the owner's reads what is offered
)

// SignIn is the owner's sign-in at a mounted server. Its zero value is that of
// one that has asked for none.
type SignIn struct {
	State   string    `json:"state"`             // needed, ok, again
	As      string    `json:"as"`                // owner, each
	Account string    `json:"account,omitempty"` // as the server names it; "" if it does not say
	Since   time.Time `json:"since,omitzero"`
	People  int       `json:"people,omitempty"` // others who have signed in with their own account
}

// Wanted reports whether nothing can be used until the owner signs in.
func (s SignIn) Wanted() bool { return s.State == SignInNeeded || s.State == SignInAgain }

// User is the person behind a session, as the provider named them.
type User struct {
	Sub   string `json:"sub"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

// SessionClient is the program that a session belongs to.
type SessionClient struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Kind         string `json:"kind"` // cimd, dcr, static
	RedirectHost string `json:"redirect_host"`
}

// Session is a grant as a person sees it: one sign-in of one client.
type Session struct {
	ID         string        `json:"id"`
	Label      string        `json:"label,omitempty"`  // what the owner calls it: "laptop"
	Leaving    time.Time     `json:"leaving,omitzero"` // when it ends, since the owner has revoked it
	User       User          `json:"user"`
	Client     SessionClient `json:"client"`
	Scopes     []string      `json:"scopes"`
	CreatedAt  time.Time     `json:"created_at"`
	LastUsedAt time.Time     `json:"last_used_at"`
	ExpiresAt  time.Time     `json:"expires_at"`
	Requests   int64         `json:"requests"`
	LastTool   string        `json:"last_tool"`
	Remote     string        `json:"remote,omitempty"` // address of the latest request
	Server     string        `json:"server,omitempty"` // the one mounted server it is for, see [ServerOf]
	Leaves     []Leave       `json:"leaves,omitempty"`

	Through  string    `json:"through,omitempty"`  // how it began: [Enterprise] or [Machine], both without a page; "" is a sign-in in a browser
	Provider string    `json:"provider,omitempty"` // of [Enterprise]: what people call whoever vouched
	GroupsOf time.Time `json:"groups_of,omitzero"` // of what sign-in the person's groups are known, where the provider's assertion names none
}

// How a session began that nobody signed in for in a browser.
const (
	Enterprise = "enterprise" // the company's provider vouched for the person
	Machine    = "machine"    // the client acts for itself: its user is machine:NAME
)

// Block keeps out a person with a client whose session began without a page and
// was revoked: nobody has to sign in for the next one.
type Block struct {
	ID      string    `json:"id"` // of the session that was revoked
	User    User      `json:"user"`
	Client  string    `json:"client"` // its name
	Through string    `json:"through"`
	At      time.Time `json:"at"`
}

// ServerOf is the mounted server that an MCP path is for alone; "" for every
// other path.
func ServerOf(path string) string {
	name, there := strings.CutPrefix(path, "/s/")
	name, ok := strings.CutSuffix(strings.TrimSuffix(name, "/"), "/mcp")
	if !there || !ok || strings.Contains(name, "/") {
		return ""
	}
	return name
}

// Leave is a tool that a session may call for a while without asking the owner
// each time.
type Leave struct {
	Server string    `json:"server"`
	Tool   string    `json:"tool"`
	Until  time.Time `json:"until"`
}

// Client is a program that somebody has signed in with, or that the owner has
// added.
type Client struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Kind         string    `json:"kind"` // cimd, dcr, static
	RedirectURIs []string  `json:"redirect_uris"`
	FirstSeen    time.Time `json:"first_seen"`
	LastSignIn   time.Time `json:"last_sign_in"`
	LastUsed     time.Time `json:"last_used,omitzero"` // by any of its sessions, as far as is known
	Sessions     int       `json:"sessions"`

	// Of one that the owner has added:
	Known          bool      `json:"known,omitempty"`
	Grants         []string  `json:"grants,omitempty"`          // what it may do, see [NewClient]
	JWKSURI        string    `json:"jwks_uri,omitempty"`        // where its keys are, if it has no secret
	SecretSince    time.Time `json:"secret_since,omitzero"`     // zero: it has none
	OldSecretUntil time.Time `json:"old_secret_until,omitzero"` // the one before it works as well until then
}

// NewClient is a client that the owner adds. Grants are authorization_code,
// refresh_token, jwt-bearer and client_credentials; none means the first two if
// there are redirect URIs, else jwt-bearer. With a JWKSURI it signs with keys of
// its own (private_key_jwt) and has no secret.
type NewClient struct {
	Name         string   `json:"name"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	Grants       []string `json:"grants,omitempty"`
	JWKSURI      string   `json:"jwks_uri,omitempty"`
}

// Snapshot is everything at one moment: what a menu or a page is drawn from.
type Snapshot struct {
	Status   Status    `json:"status"`
	Sessions []Session `json:"sessions"`          // newest first
	Events   []Event   `json:"events"`            // oldest first
	Blocked  []Block   `json:"blocked,omitempty"` // newest first

	// Approvals are the calls that wait for the owner's click, oldest first.
	Approvals []Approval `json:"approvals,omitempty"`
}

// Check is one line of doctor: what it looked at, whether that is well, and
// if not, what to do.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Result string `json:"result"`         // what was found, in words
	Cure   string `json:"cure,omitempty"` // what to do, if not OK
}

// LogLine is one line that a mounted server wrote, or that Drawbridge says of
// it.
type LogLine struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`          // cleaned and cut, see [Clean]
	Own  bool      `json:"own,omitempty"` // Drawbridge's words
}

// Approval is a tool call that waits for the owner's click.
type Approval struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Expires   time.Time `json:"expires"`
	User      string    `json:"user"`
	Client    string    `json:"client"`
	Session   string    `json:"session"`
	Server    string    `json:"server"`
	Tool      string    `json:"tool"`
	Arguments string    `json:"arguments"` // JSON, indented, whole, see [Spell]
	ReadOnly  bool      `json:"read_only"` // as the server says
}

// Attempt is one try of a client to connect, from discovery to its first call,
// with what became of it. Verdict is in English; VerdictKey and Args let a
// reader in another language say the same.
type Attempt struct {
	ID         string            `json:"id"`
	Started    time.Time         `json:"started"`
	Last       time.Time         `json:"last"`
	Client     string            `json:"client"` // name, or "" while it is not known
	User       string            `json:"user"`
	Remote     string            `json:"remote"`
	Agent      string            `json:"agent,omitempty"` // how the program or browser calls itself
	Session    string            `json:"session,omitempty"`
	Server     string            `json:"server,omitempty"` // the one mounted server it is for; "" is all of them, at /mcp
	Calls      int64             `json:"calls,omitempty"`  // of tools so far
	Steps      []Step            `json:"steps"`            // oldest first
	Outcome    string            `json:"outcome"`          // ok, refused, error; "" while it may go on
	Verdict    string            `json:"verdict"`          // one plain sentence: what happened, and what to do
	VerdictKey string            `json:"verdict_key"`
	Args       map[string]string `json:"args,omitempty"`
}

// Step is what a client, a person or the provider did.
type Step struct {
	Time    time.Time         `json:"time"`
	Kind    string            `json:"kind"` // discovery, registration, authorize, consent, provider, token, call
	Outcome string            `json:"outcome"`
	Text    string            `json:"text"` // one line, in words
	Key     string            `json:"key,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
	Times   int               `json:"times,omitempty"` // in a row, if more than once
}

// ToolChange is a tool of a mounted server, or another part of what it offers,
// that is new or no longer what the owner approved.
type ToolChange struct {
	Server string `json:"server"`
	Kind   string `json:"kind"` // tool, prompt, template, instructions
	Tool   string `json:"tool"` // its name; instructions have none
	Old    string `json:"old"`  // as approved, see [Spell]; "" if it is new
	New    string `json:"new"`  // as the server says it now, whole
	Long   bool   `json:"long"` // too long to be shown whole, so that it can't be approved: New is cut
	Held   bool   `json:"held"` // nobody can use it until that is approved
	// Version names the new look, so that nobody approves another than they saw.
	Version string `json:"version"`
}

// Entry is a tool, prompt, resource or template that a person may use.
type Entry struct {
	Server   string `json:"server"` // "" for Drawbridge's own
	Kind     string `json:"kind"`   // tool, prompt, resource, template
	Name     string `json:"name"`   // as the server calls it
	As       string `json:"as"`     // as clients see it
	ReadOnly bool   `json:"read_only"`
	Ask      bool   `json:"ask"`  // each call waits for the owner's click
	Held     bool   `json:"held"` // changed, and not approved yet
	Off      bool   `json:"off"`  // switched off by the owner, for everybody
}

// Offer is a tool, prompt, resource or template of a mounted server, as its owner
// looks at it.
type Offer struct {
	Kind        string // as of an [Entry]
	Name        string // as the server calls it; a resource's URI
	Title       string
	Description string
	Schema      json.RawMessage // of a tool's input
	ReadOnly    bool
	Ask         bool // each call waits for the owner's click
	Held        bool // changed, and not approved yet
	Off         bool // switched off by the owner, for everybody
	// Whom is those whom the rules let use it: addresses, @domains, groups. Nil is
	// whoever may sign in.
	Whom []string
}

// Nobody reports whether no rule lets anybody use it.
func (o Offer) Nobody() bool { return o.Whom != nil && len(o.Whom) == 0 }
