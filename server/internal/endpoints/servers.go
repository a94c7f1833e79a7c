package endpoints

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// read reads mcp.json, where there is one.
func (e *Endpoints) read() ([]config.Server, error) {
	if e.o.File == "" {
		return nil, nil
	}
	return config.LoadServers(e.o.File)
}

// apply makes servers the mounted ones. Their paths come and go with them.
func (e *Endpoints) apply(servers []config.Server) {
	mounted, _ := e.config.Load().Mount(servers)
	resources := []string{e.o.Base + Path}
	var gone []*Single
	e.mu.Lock()
	e.servers = map[string]config.Server{}
	for _, s := range mounted {
		e.servers[s.Name] = s
		resources = append(resources, e.o.Base+SinglePath(s.Name))
	}
	for name, single := range e.single {
		if s, ok := e.servers[name]; name != "" && (!ok || s.Off) {
			gone = append(gone, single)
			delete(e.single, name)
		}
	}
	whole := e.mistake == nil
	e.mu.Unlock()
	e.o.Grants.SetResources(resources)
	e.o.SignIns.Keep(mounted, whole)
	e.set.Apply(mounted)
	e.hub.Mounted(e.set.Names())
	for _, single := range gone {
		single.close()
	}
}

// Watch takes over changes of mcp.json until ctx ends.
func (e *Endpoints) Watch(ctx context.Context) {
	if e.o.File != "" {
		config.Watch(ctx, []string{e.o.File}, e.reload)
	}
}

// reload takes over what mcp.json says now. An entry with a mistake stays as it
// was, and a file that can't be read changes nothing.
func (e *Endpoints) reload() {
	servers, err := e.read()
	readable := err == nil || len(servers) > 0
	e.mu.Lock()
	e.mistake, e.partly = err, readable
	for _, was := range e.servers {
		isBad := slices.ContainsFunc(config.Errors(err), func(e *config.Error) bool { return e.Key == was.Name || strings.HasPrefix(e.Key, was.Name+".") })
		if isBad && !slices.ContainsFunc(servers, func(s config.Server) bool { return strings.EqualFold(s.Name, was.Name) }) {
			servers = append(servers, was)
		}
	}
	e.mu.Unlock()
	if readable {
		e.apply(servers)
	}
	e.o.Wake()
}

// Edit has change rewrite mcp.json at path, and takes over what it says then.
func (e *Endpoints) Edit(change func(path string) error) error {
	if e.o.File == "" {
		return errors.New("this Drawbridge has no mcp.json to change: it runs as a demo")
	}
	if err := change(e.o.File); err != nil {
		return err
	}
	e.reload()
	return nil
}

// Server is what mcp.json and config.toml say of a mounted server; false if there
// is none of that name.
func (e *Endpoints) Server(name string) (config.Server, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.servers[name]
	return s, ok
}

// Offers returns what a server offers, and who may use it.
func (e *Endpoints) Offers(server string) []status.Offer {
	list, rules := e.hub.Offers(server), e.policy.Load()
	for i, o := range list {
		list[i].Whom = rules.Whom(func(p *policy.Policy) bool {
			switch o.Kind {
			case "tool":
				return p.Tool(nil, server, o.Name, o.ReadOnly)
			case "prompt":
				return p.Prompt(nil, server, o.Name)
			case "template":
				return p.Template(nil, server, o.Name)
			}
			return p.Resource(nil, server, o.Name)
		})
	}
	return list
}

// Try calls a tool as the owner of this computer.
func (e *Endpoints) Try(ctx context.Context, server, tool string, arguments json.RawMessage) (json.RawMessage, error) {
	return e.hub.Try(ctx, server, tool, arguments)
}

// Servers says how each does.
func (e *Endpoints) Servers() []status.Server {
	list := e.set.Status()
	for i := range list {
		list[i].SignIn = e.o.SignIns.Status(list[i].Name)
	}
	return list
}

// SignIn begins the owner's sign-in at a server, and returns where their browser
// goes. Errors are sentences.
func (e *Endpoints) SignIn(ctx context.Context, server string) (string, error) {
	address, err := e.set.Address(ctx, server)
	if err != nil {
		return "", err
	}
	return e.o.SignIns.Begin(ctx, server, address)
}

// SignedIn takes the server's answer to it, and starts the server anew.
func (e *Endpoints) SignedIn(ctx context.Context, id string, answer url.Values) (server string, err error) {
	if server, err = e.o.SignIns.Finish(ctx, id, "", answer); err == nil {
		err = e.Restart(server)
	}
	return server, err
}

// SignOut ends every sign-in at a server.
func (e *Endpoints) SignOut(server string) error {
	e.o.SignIns.SignOut(server)
	if s, ok := e.Server(server); !ok || s.Off {
		return nil
	}
	return e.Restart(server)
}

// Logs returns what a server wrote, oldest first; false if there is none of that
// name.
func (e *Endpoints) Logs(server string) ([]status.LogLine, bool) { return e.set.Logs(server) }

// Restart ends what a server runs and lets it start again.
func (e *Endpoints) Restart(server string) error { return e.set.Restart(server) }

// CountTools reads anew what a server offers, which starts it if need be, and
// returns how many tools it has.
func (e *Endpoints) CountTools(ctx context.Context, server string) (int, error) {
	catalog, err := e.set.Catalog(ctx, server, mount.Client{}, mount.Anew)
	for _, st := range e.set.Status() {
		if st.Name == server && st.Error != "" { // which says more, to the owner
			return 0, errors.New(st.Error)
		}
	}
	if err != nil {
		return 0, err
	}
	return len(catalog.Tools), nil
}

// Findings says what is odd about what the servers offer, a sentence each.
func (e *Endpoints) Findings() []string {
	list := e.hub.Findings()
	if running, each, all := e.set.Processes(); running > 0 {
		list = append(list, fmt.Sprintf("%d processes of servers run. At most %d sign-ins have one at each server and %d run in all; the one unused for longest makes room.", running, each, all))
	}
	for _, name := range e.set.Names() {
		catalog, err := e.set.Catalog(context.Background(), name, mount.Client{}, mount.Known)
		if err != nil || catalog == nil {
			continue
		}
		for _, method := range catalog.Unlisted {
			list = append(list, fmt.Sprintf("The server %s did not answer %s, so that list is as it was last, or empty. It is asked again; its log says why.", name, method))
		}
		for i, line := range catalog.Odd {
			if i == maxOdd {
				list = append(list, fmt.Sprintf("More of what the server %s offers is odd: its log says what, %d lines in all.", name, len(catalog.Odd)))
				break
			}
			list = append(list, fmt.Sprintf("What the server %s offers was mended, so that clients take it: %s.", name, line))
		}
	}
	return list
}

// maxOdd bounds the lines about one server.
const maxOdd = 50

// Visible returns what somebody may use.
func (e *Endpoints) Visible(ctx context.Context, who *oauth.Caller) []status.Entry {
	return e.hub.Visible(ctx, who)
}

// Notes is what the owner should know of the servers.
func (e *Endpoints) Notes() []string {
	e.mu.Lock()
	mistake, partly := e.mistake, e.partly
	e.mu.Unlock()
	var notes []string
	switch {
	case mistake != nil && partly:
		notes = append(notes, "mcp.json was taken, but for what is wrong in it, which is as it was before: "+status.FullStop(mistake.Error()))
	case mistake != nil:
		notes = append(notes, "mcp.json was not taken, what was mounted before still is: "+status.FullStop(mistake.Error()))
	}
	for _, c := range e.Changes() {
		if !c.Held {
			continue
		}
		what, how := fmt.Sprintf("The %s %s of the server %s", c.Kind, c.Tool, c.Server), "has changed"
		switch {
		case c.Kind == "instructions":
			what = fmt.Sprintf("What the server %s tells every model", c.Server)
		case c.Old == "":
			how = "is new"
		}
		notes = append(notes, fmt.Sprintf("%s %s, and is held back until you approve it under Servers in the console.", what, how))
		if len(notes) > 3 { // a server that changes all it has is one matter
			return append(notes, "More have changed: the console shows all.")
		}
	}
	return notes
}

// Changes are what mounted servers offer that is new or no longer what it was.
// What is remembered of a server that has gone waits for its return, and is
// nobody's business meanwhile.
func (e *Endpoints) Changes() []status.ToolChange {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []status.ToolChange
	for _, p := range e.pins.List() {
		if _, ok := e.servers[p.Server]; ok {
			list = append(list, status.ToolChange{Server: p.Server, Kind: p.Kind, Tool: p.Name, Old: p.Old, New: p.New, Long: p.Long, Version: p.Version, Held: e.settings(p.Server).HoldChanges})
		}
	}
	return list
}

// Approve takes what a tool says now for good, if that is what version names.
func (e *Endpoints) Approve(server, tool, version string) error {
	if err := e.pins.Approve(server, tool, version); err != nil {
		return err
	}
	e.hub.Recheck(server)
	for _, what := range []mount.Change{mount.ToolsChanged, mount.PromptsChanged, mount.ResourcesChanged} {
		e.changed(server, what)
	}
	return nil
}
