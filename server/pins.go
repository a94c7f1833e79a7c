package server

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
)

// pinned answers the hub, which asks at each request, from what was looked up
// when a server's tools were last another.
type pinned struct {
	mounts *mounts
	book   *pins.Book

	mu   sync.Mutex                 // guards seen
	seen map[string]map[string]seen // by server and tool
}

// seen is a tool as it was looked up.
type seen struct {
	raw     json.RawMessage
	changed bool
}

func openPins(m *mounts, j *store.Journal) (*pinned, error) {
	app := m.site.app
	book, err := pins.Open(pins.Options{Saver: j, Records: app.db, Now: app.opts.Now, Log: app.opts.Log,
		Holds: func(server string) bool { return m.site.config().Servers[server].HoldChanges }})
	return &pinned{mounts: m, book: book, seen: map[string]map[string]seen{}}, err
}

// Check reports whether a tool is another than the owner approved.
func (p *pinned) Check(server, _, tool string, raw json.RawMessage) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.seen[server][tool]; ok && bytes.Equal(s.raw, raw) {
		return s.changed
	}
	p.lookUp(server)
	s, ok := p.seen[server][tool]
	return !ok || s.changed // one that is gone meanwhile can't be vouched for
}

// look looks up the tools of a server.
func (p *pinned) look(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lookUp(server)
}

// lookUp needs mu.
func (p *pinned) lookUp(server string) {
	catalog, err := p.mounts.set.Catalog(context.Background(), server, false)
	if err != nil || catalog == nil {
		delete(p.seen, server)
		return
	}
	p.seen[server] = p.compare(server, catalog)
}

func (p *pinned) compare(server string, catalog *mount.Catalog) map[string]seen {
	items := make([]pins.Item, len(catalog.Tools))
	for i, t := range catalog.Tools {
		items[i] = pins.Item{Kind: "tool", Name: t.Name, Raw: t.Raw}
	}
	states, err := p.book.Check(server, items...)
	if err != nil {
		p.mounts.site.app.opts.Log.Error("tools not remembered", "server", server, "cause", err)
	}
	all := make(map[string]seen, len(items))
	for i, item := range items {
		all[item.Name] = seen{item.Raw, states[i] == pins.Changed}
	}
	return all
}

// approve takes what a tool says now for good.
func (m *mounts) approve(server, tool, version string) error {
	if err := m.pins.book.Approve(server, "tool", tool, version); err != nil {
		return err
	}
	m.pins.look(server)
	m.changed(server, mount.ToolsChanged)
	return nil
}
