package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Server is one MCP server of mcp.json: a process that speaks over stdin and
// stdout (Command), or a server behind a URL. Its texts hold placeholders, see
// [Server.Expand].
type Server struct {
	Name string // as in mcp.json; letters, digits, "-", "_" and ".", at most 64

	Command string
	Args    []string
	Env     map[string]string
	Dir     string // "cwd"; "" is the home folder

	URL     string // http or https
	Headers map[string]string
	SSE     bool // "type": "sse": HTTP+SSE of MCP 2024-11-05

	Off bool // "disabled": true

	ServerSettings
}

// Program is what s starts, or where it connects to, on one line.
func (s Server) Program() string {
	return cmp.Or(s.URL, strings.Join(append([]string{s.Command}, s.Args...), " "))
}

// ServerSettings is what config.toml says of a mounted server, in [server.NAME].
// mcp.json stays in the form that other programs read.
type ServerSettings struct {
	// Ask is the tools, by glob, whose calls wait for the owner's click.
	Ask []string `key:"ask" check:"glob"`
	// ToolsOff is the tools, by glob, that nobody is offered.
	ToolsOff []string `key:"tools_off" check:"glob"`
	// HoldChanges holds back a tool whose description or schema is no longer what
	// the owner approved.
	HoldChanges bool          `key:"hold_changes"`
	Timeout     time.Duration `key:"timeout" check:"duration or usual"` // of one call; 0: five minutes
	Idle        time.Duration `key:"idle" check:"duration or never"`    // unused for so long, it is stopped; 0: 15 minutes; < 0: never
	Start       time.Duration `key:"start" check:"duration or usual"`   // how long a start may take; 0: a minute
	Shared      bool          `key:"shared"`                            // one process a person instead of one a sign-in
	// SignIn is whose account is used at a server with a sign-in of its own:
	// "owner", as "" is, or "each".
	SignIn string `key:"sign_in" check:"sign-in"`
	// ClientID is what the owner registered there for Drawbridge, where that can't
	// register itself. Its secret, if it has one, is in the keychain.
	ClientID string `key:"client_id" check:"printable"`
}

// Rule lets people use servers and tools. Without any rule whoever may sign in
// may use everything; with one, what no rule allows is refused.
type Rule struct {
	// Whom it is for: whoever one of these names; all empty, everybody.
	Emails  []string `key:"emails" check:"email"`
	Domains []string `key:"domains" check:"domain"`
	Groups  []string `key:"groups" check:"printable"`
	// Machines are clients that act for themselves, by name.
	Machines []string `key:"machines" check:"printable"`

	// What it lets them use, by glob. Nil Servers and nil Tools mean all of
	// them. Nil Prompts and nil Resources mean all if Tools is nil, else none.
	Servers   []string `key:"servers" check:"glob"`
	Tools     []string `key:"tools" check:"glob"`
	Prompts   []string `key:"prompts" check:"glob"`
	Resources []string `key:"resources" check:"glob"`
	ReadOnly  bool     `key:"read_only"` // of the tools, those alone that say they change nothing (readOnlyHint)
}

// Mount returns servers with what [server.NAME] says of each, and a note for
// each table that no server goes with.
func (c Config) Mount(servers []Server) (mounted []Server, notes []string) {
	names := make([]string, len(servers))
	mounted = slices.Clone(servers)
	for i := range mounted {
		names[i] = mounted[i].Name
		mounted[i].ServerSettings = c.Servers[names[i]]
	}
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		if !slices.Contains(names, name) {
			notes = append(notes, "config.toml has a table [server."+quoted(name)+"], and mcp.json no server of that name"+suggest(Nearest(name, names)))
		}
	}
	return mounted, notes
}
