package hub

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// endpoint is one MCP endpoint: /mcp with every server (server is ""), or /s/NAME/mcp with one.
type endpoint struct {
	h      *Hub
	server string
	cache  atomic.Pointer[index]
}

// startWait is how long a request for an item of a server that has not said yet
// what it offers waits for it. Less than clients wait (a minute).
const startWait = 45 * time.Second

// index returns what there is as far as it is known. With wait, it first waits
// for servers that are starting: at /mcp briefly, and for each only once.
func (s *endpoint) index(ctx context.Context, wait bool) (*index, error) {
	if s.server != "" {
		return s.indexOfOne(ctx, wait)
	}
	names := s.h.o.Mounts.Names()
	of, unknown := s.h.known(ctx, names)
	if unknown = s.h.unwaited(names, unknown); wait && len(unknown) > 0 {
		s.h.waitFor(ctx, unknown)
		of, _ = s.h.known(ctx, names)
	}
	return s.indexOf(of, s.h.o.Builtin.List()), nil
}

// indexWith returns what there is. It waits for other servers only if enough
// says that what is known does not do.
func (s *endpoint) indexWith(ctx context.Context, enough func(*index) bool) (*index, error) {
	x, err := s.index(ctx, false)
	if err != nil || enough(x) {
		return x, err
	}
	return s.index(ctx, true)
}

func (s *endpoint) indexOfOne(ctx context.Context, wait bool) (*index, error) {
	if !slices.Contains(s.h.o.Mounts.Names(), s.server) {
		return nil, errNoServer
	}
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	cat, err := s.h.o.Mounts.Catalog(ctx, s.server, wait)
	if err != nil && wait {
		return nil, s.h.refusal(s.server, err)
	}
	if cat == nil {
		return newIndex(nil, nil, true), nil
	}
	return s.indexOf([]mounted{{s.server, cat}}, nil), nil
}

// indexOf makes an index, unless the last one still holds.
func (s *endpoint) indexOf(of []mounted, own []builtin.Tool) *index {
	if x := s.cache.Load(); x.made(of, own) {
		return x
	}
	x := newIndex(of, own, s.server != "")
	s.cache.Store(x)
	return x
}

// known returns what servers have said, and which of them have said nothing.
func (h *Hub) known(ctx context.Context, names []string) (of []mounted, unknown []string) {
	for _, name := range names {
		if cat, err := h.o.Mounts.Catalog(ctx, name, false); err == nil && cat != nil {
			of = append(of, mounted{name, cat})
		} else {
			unknown = append(unknown, name)
		}
	}
	return of, unknown
}

// unwaited returns those of unknown that no list has waited for, and forgets
// servers that are gone.
func (h *Hub) unwaited(names, unknown []string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.waited {
		if !slices.Contains(names, name) {
			delete(h.waited, name)
		}
	}
	return slices.DeleteFunc(slices.Clone(unknown), func(name string) bool { return h.waited[name] })
}

// waitFor starts servers and waits for them, all at once, for as long as
// Patience.
func (h *Hub) waitFor(ctx context.Context, names []string) {
	waiting, cancel := context.WithTimeout(ctx, h.o.Patience)
	defer cancel()
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() { _, _ = h.o.Mounts.Catalog(waiting, name, true) })
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
func (s *endpoint) find(ctx context.Context, who *oauth.Caller, kind, name string) (*item, error) {
	x, err := s.indexWith(ctx, func(x *index) bool { return x.namespace(kind).byName[name] != nil })
	if err != nil {
		return nil, err
	}
	names := x.namespace(kind)
	t := names.byName[name]
	if t == nil && s.server == "" {
		t = s.findLate(ctx, who, kind, name)
	}
	if t != nil && s.allowed(who, t) {
		return t, nil
	}
	var candidates []string
	for _, c := range names.unsure[name] {
		if s.allowed(who, c) {
			candidates = append(candidates, c.listed)
		}
	}
	if len(candidates) > 0 {
		return nil, invalid("%s is not clear: more than one server has a %s of that name. Use %s.", shorten(name), kind, strings.Join(candidates, " or "))
	}
	return nil, invalid("Unknown %s: %s", kind, shorten(name))
}

// findLate looks for SERVER__NAME at a server that has not said yet what it
// offers, as after a restart. Nobody waits for a server that they may not use.
func (s *endpoint) findLate(ctx context.Context, who *oauth.Caller, kind, name string) *item {
	head, _, ok := strings.Cut(name, separator)
	if !ok {
		return nil
	}
	for _, server := range s.h.o.Mounts.Names() {
		if prefix(server) != head || !s.h.o.Policy().Server(who, server) {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, startWait)
		defer cancel()
		if _, err := s.h.o.Mounts.Catalog(ctx, server, true); err != nil {
			return nil
		}
		x, err := s.index(ctx, false)
		if err != nil {
			return nil
		}
		return x.namespace(kind).byName[name]
	}
	return nil
}

func (x *index) namespace(kind string) *namespace {
	switch kind {
	case kindTool:
		return &x.tools
	case kindPrompt:
		return &x.prompts
	case kindResource:
		return &x.resources
	}
	return &x.templates
}

// allowed asks the rules of now.
func (s *endpoint) allowed(who *oauth.Caller, t *item) bool {
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
