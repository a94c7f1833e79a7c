package hub

import (
	"context"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
)

// verdicts is which items of each server are no longer what the owner
// approved, as long as the server offers the same.
type verdicts struct {
	mu sync.Mutex // guards of; held while a server is looked at
	of map[string]verdict
}

type verdict struct {
	cat     *mount.Catalog
	changed map[string]bool // names of tools
}

// look compares what a server offers with what the owner approved.
func (h *Hub) look(m mounted) map[string]bool {
	h.verdicts.mu.Lock()
	defer h.verdicts.mu.Unlock()
	if v, ok := h.verdicts.of[m.server]; ok && v.cat == m.cat {
		return v.changed
	}
	items := make([]pins.Item, len(m.cat.Tools))
	for i, tool := range m.cat.Tools {
		items[i] = pins.Item{Kind: kindTool, Name: tool.Name, Raw: tool.Raw}
	}
	states, err := h.o.Pins.Check(m.server, items...)
	if err != nil {
		h.o.Log.Error("what the tools look like was not saved", "server", m.server, "cause", err)
	}
	changed := map[string]bool{}
	for i, state := range states {
		if state == pins.Changed {
			changed[items[i].Name] = true
		}
	}
	if h.verdicts.of == nil {
		h.verdicts.of = map[string]verdict{}
	}
	h.verdicts.of[m.server] = verdict{m.cat, changed}
	return changed
}

// Recheck forgets how a server's tools compared with what was approved: the
// owner has approved a change.
func (h *Hub) Recheck(server string) {
	h.verdicts.mu.Lock()
	defer h.verdicts.mu.Unlock()
	delete(h.verdicts.of, server)
}

// held reports whether a tool is no longer what the owner approved, and held
// back for that.
func (h *Hub) held(t *item) bool {
	return t.kind == kindTool && t.server != Own && h.o.Settings(t.server).HoldChanges && h.look(mounted{t.server, t.cat})[t.name]
}

// ServerChanged hears that a server, or what it offers, is another now.
func (h *Hub) ServerChanged(server string) {
	h.levels.forget(server)
	cat, err := h.o.Mounts.Catalog(context.Background(), server, false)
	if err == nil && cat != nil {
		h.look(mounted{server, cat}) // the owner hears of it though nobody asks
	}
}
