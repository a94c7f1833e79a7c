package hub

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// endpoint is one MCP endpoint: /mcp with every server (server is ""), or /s/NAME/mcp with one.
type endpoint struct {
	h      *Hub
	server string

	mu    sync.Mutex // guards cache
	cache []*index   // the last used first: clients may be offered different things
}

// startWait is how long a request for an item of a server that has not said yet
// what it offers waits for it. Less than clients wait (a minute).
const startWait = 45 * time.Second

const maxIndexes = 8

var nobody = &gateway.Client{}

// index returns what there is for a client, as how says: as far as it is known,
// after starting servers were waited for (at /mcp briefly, and for each only
// once), or read again as well.
func (s *endpoint) index(ctx context.Context, c *gateway.Client, how mount.How) (*index, error) {
	if s.server != "" {
		return s.indexOfOne(ctx, c, how)
	}
	names := s.h.o.Mounts.Names()
	of, unknown := s.h.known(ctx, c, names)
	switch unknown = s.h.unwaited(unknown); {
	case how == mount.Fresh:
		known := slices.DeleteFunc(slices.Clone(of), func(m mounted) bool { return m.away || !s.h.MayUse(c.Caller, m.server) })
		for _, m := range known {
			unknown = append(unknown, m.server)
		}
		fallthrough
	case how == mount.Needed && len(unknown) > 0:
		s.h.readAll(ctx, c, unknown, mount.Fresh)
		of, _ = s.h.known(ctx, c, names)
	}
	return s.indexOf(of, s.h.o.Builtin.List()), nil
}

// indexWith returns what there is. It is read again only if enough says that
// what is known does not do.
func (s *endpoint) indexWith(ctx context.Context, c *gateway.Client, enough func(*index) bool) (*index, error) {
	x, err := s.index(ctx, c, mount.Known)
	if err != nil || enough(x) {
		return x, err
	}
	return s.index(ctx, c, mount.Fresh)
}

func (s *endpoint) indexOfOne(ctx context.Context, c *gateway.Client, how mount.How) (*index, error) {
	if !slices.Contains(s.h.o.Mounts.Names(), s.server) {
		return nil, errNoServer
	}
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	client := seen(c, c.Era)
	cat, err := s.h.o.Mounts.Catalog(ctx, s.server, client, mount.Known)
	if err == nil && how != mount.Known {
		if cat == nil {
			how = mount.Needed // somebody waits for this server alone
		}
		cat, err = s.h.o.Mounts.Catalog(ctx, s.server, client, how)
	}
	if err != nil && how != mount.Known {
		return nil, s.h.refusal(s.server, err)
	}
	if cat == nil {
		return newIndex(nil, nil, true), nil
	}
	return s.indexOf([]mounted{{server: s.server, cat: cat}}, nil), nil
}

func (s *endpoint) indexOf(of []mounted, own []builtin.Tool) *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.cache, func(x *index) bool { return x.made(of, own) }); i >= 0 {
		x := s.cache[i]
		copy(s.cache[1:], s.cache[:i])
		s.cache[0] = x
		return x
	}
	x := newIndex(of, own, s.server != "")
	s.cache = slices.Insert(s.cache, 0, x)
	s.cache = s.cache[:min(len(s.cache), maxIndexes)]
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	for _, m := range of {
		s.h.last[m.server] = m.cat
	}
	return x
}

// known returns what servers have said, and which of them have said nothing. Of
// those that said something once the names are kept: another server's must not
// become theirs while one starts.
func (h *Hub) known(ctx context.Context, c *gateway.Client, names []string) (of []mounted, unknown []string) {
	client := seen(c, c.Era)
	for _, name := range names {
		if cat, err := h.o.Mounts.Catalog(ctx, name, client, mount.Known); err == nil && cat != nil {
			of = append(of, mounted{server: name, cat: cat})
			continue
		}
		unknown = append(unknown, name)
		h.mu.Lock()
		cat := h.last[name]
		h.mu.Unlock()
		if cat != nil {
			of = append(of, mounted{server: name, cat: cat, away: true})
		}
	}
	return of, unknown
}

// unwaited returns those of unknown that no list has waited for.
func (h *Hub) unwaited(unknown []string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(unknown), func(name string) bool { return h.waited[name] })
}

// Mounted forgets what is kept of servers that are mounted no longer: one of the
// same name that comes later is another.
func (h *Hub) Mounted(names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.waited, func(name string, _ bool) bool { return !slices.Contains(names, name) })
	maps.DeleteFunc(h.last, func(name string, _ *mount.Catalog) bool { return !slices.Contains(names, name) })
}

// readAll has servers say what they offer, all at once, and waits for as long as
// Patience.
func (h *Hub) readAll(ctx context.Context, c *gateway.Client, names []string, how mount.How) {
	waiting, cancel := context.WithTimeout(ctx, h.o.Patience)
	defer cancel()
	client := seen(c, c.Era)
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() { _, _ = h.o.Mounts.Catalog(waiting, name, client, how) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return // who left has not waited
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		h.waited[name] = true
	}
}

// find returns the tool or prompt that a client means by name and may use. One
// that they may not use is answered like one that does not exist.
func (s *endpoint) find(ctx context.Context, c *gateway.Client, kind, name string) (*item, error) {
	who := c.Caller
	if t := s.builtin(kind, name); t != nil && s.allowed(who, t) {
		return t, nil
	}
	x, err := s.index(ctx, c, mount.Known)
	if err != nil {
		return nil, err
	}
	names := x.kinds[kind]
	if names.byName[name] == nil && len(names.unsure[name]) == 0 {
		if x, err = s.readAgain(ctx, c, name); err != nil {
			return nil, err
		}
		names = x.kinds[kind]
	}
	if t := names.byName[name]; t != nil && s.allowed(who, t) {
		return t, nil
	}
	var candidates []string
	for _, t := range names.unsure[name] {
		if s.allowed(who, t) {
			candidates = append(candidates, t.listed)
		}
	}
	switch len(candidates) {
	case 0:
		return nil, invalid("Unknown %s: %s", kind, shorten(name))
	case 1: // that there is another is none of their business
		return nil, invalid("Unknown %s: %s. Use %s.", kind, shorten(name), candidates[0])
	}
	return nil, invalid("%s is not clear: more than one server has a %s of that name. Use %s.", shorten(name), kind, strings.Join(candidates, " or "))
}

// builtin returns a built-in tool, whose name means it whatever else there is.
func (s *endpoint) builtin(kind, name string) *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind != kindTool || s.server != "" || len(s.cache) == 0 || !s.cache[0].made(s.cache[0].of, s.h.o.Builtin.List()) {
		return nil
	}
	if t := s.cache[0].kinds[kindTool].byName[name]; t != nil && t.server == Own {
		return t
	}
	return nil
}

// readAgain has servers say what they offer now, before name is said not to
// exist: the one that SERVER__NAME names, which is waited for, or all. Nobody
// waits for a server that they may not use.
func (s *endpoint) readAgain(ctx context.Context, c *gateway.Client, name string) (*index, error) {
	if s.server != "" {
		return s.indexOfOne(ctx, c, mount.Anew)
	}
	head, _, prefixed := strings.Cut(name, separator)
	var named, all []string
	for _, server := range s.h.o.Mounts.Names() {
		if !s.h.MayUse(c.Caller, server) {
			continue
		}
		all = append(all, server)
		if prefixed && prefix(server) == head {
			named = append(named, server)
		}
	}
	for _, server := range named {
		within, cancel := context.WithTimeout(ctx, startWait)
		_, _ = s.h.o.Mounts.Catalog(within, server, seen(c, c.Era), mount.Anew) // what is known must do
		cancel()
	}
	if named == nil {
		of, unknown := s.h.known(ctx, c, all)
		unknown = s.h.unwaited(unknown) // one that a list has waited for in vain is not waited for again
		for _, m := range of {
			if !m.away {
				unknown = append(unknown, m.server)
			}
		}
		s.h.readAll(ctx, c, unknown, mount.Again)
	}
	return s.index(ctx, c, mount.Known)
}

// allowed reports whether there is an item for who, by the switches and rules of
// now.
func (s *endpoint) allowed(who *oauth.Caller, t *item) bool {
	return !s.h.isOff(t) && s.permitted(who, t)
}

// isOff reports whether the owner switched a tool off, for everybody.
func (h *Hub) isOff(t *item) bool {
	return t.kind == kindTool && t.server != Own && config.MatchAny(h.o.Settings(t.server).ToolsOff, t.name)
}

// asks reports whether each call of a tool waits for the owner's click.
func (h *Hub) asks(t *item) bool {
	return t.kind == kindTool && t.server != Own && config.MatchAny(h.o.Settings(t.server).Ask, t.name)
}

// permitted asks the rules alone.
func (s *endpoint) permitted(who *oauth.Caller, t *item) bool {
	p := s.h.o.Policy()
	switch t.kind {
	case kindTool:
		return p.Tool(who, t.server, t.name, t.readOnly)
	case kindPrompt:
		return p.Prompt(who, t.server, t.name)
	case kindTemplate:
		return p.Template(who, t.server, t.name)
	}
	return p.Resource(who, t.server, t.name)
}
