package hub

import (
	"context"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// verdicts is which items of each server are no longer what the owner
// approved, as long as the server offers the same.
type verdicts struct {
	mu sync.Mutex // guards of; held while a server is looked at
	of map[string]map[*mount.Catalog]map[offered]bool
}

// maxVerdicts bounds those of one server: clients may be offered different things.
const maxVerdicts = 8

type offered struct{ kind, name string }

// kindInstructions is what a server says to every model; it has no name.
const kindInstructions = "instructions"

// look compares what a server offers with what the owner approved.
func (h *Hub) look(m mounted) map[offered]bool {
	h.verdicts.mu.Lock()
	defer h.verdicts.mu.Unlock()
	if changed, ok := h.verdicts.of[m.server][m.cat]; ok {
		return changed
	}
	var items []pins.Item
	for i, list := range [][]mount.Item{m.cat.Tools, m.cat.Prompts, m.cat.Templates} {
		for _, it := range list {
			items = append(items, pins.Item{Kind: []string{kindTool, kindPrompt, kindTemplate}[i], Name: it.Name, Raw: it.Raw})
		}
	}
	if text := m.cat.Description.Instructions; text != "" {
		items = append(items, pins.Item{Kind: kindInstructions, Raw: encode(object{kindInstructions: rpc.Quote(text)})})
	}
	states, err := h.o.Pins.Check(m.server, items...)
	if err != nil {
		h.o.Log.Error("what a server offers was not remembered", "server", m.server, "cause", err)
	}
	changed := map[offered]bool{}
	for i, state := range states {
		if state == pins.Changed {
			changed[offered{items[i].Kind, items[i].Name}] = true
		}
	}
	if of := h.verdicts.of[m.server]; of == nil || len(of) >= maxVerdicts {
		h.verdicts.of[m.server] = map[*mount.Catalog]map[offered]bool{}
	}
	h.verdicts.of[m.server][m.cat] = changed
	return changed
}

// Recheck forgets how what a server offers compared with what was approved: the
// owner has approved a change.
func (h *Hub) Recheck(server string) {
	h.verdicts.mu.Lock()
	defer h.verdicts.mu.Unlock()
	delete(h.verdicts.of, server)
}

// held reports whether something is new or no longer what the owner approved, and
// held back for that.
func (h *Hub) held(t *item) bool {
	return t.server != Own && h.holds(t.mounted, t.kind, t.name)
}

func (h *Hub) holds(m mounted, kind, name string) bool {
	return h.o.Settings(m.server).HoldChanges && h.look(m)[offered{kind, name}]
}

// ServerChanged hears that a server, or what it offers, is another now.
func (h *Hub) ServerChanged(server string) {
	cat, err := h.o.Mounts.Catalog(context.Background(), server, mount.Client{}, mount.Known)
	if err == nil && cat != nil {
		h.look(mounted{server: server, cat: cat}) // the owner hears of it though nobody asks
	}
}
