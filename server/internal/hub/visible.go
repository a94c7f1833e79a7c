package hub

import (
	"context"
	"fmt"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Visible answers "what does bob see?", as far as servers have said what they
// offer. Tools that are held or off, which bob does not see, are among them.
func (h *Hub) Visible(ctx context.Context, who *oauth.Caller) []status.Entry {
	x, err := h.all.index(ctx, nobody, mount.Known)
	if err != nil {
		return nil
	}
	var list []status.Entry
	for _, t := range x.all() {
		if !h.all.permitted(who, t) {
			continue
		}
		server := t.server
		if server == Own {
			server = ""
		}
		list = append(list, status.Entry{Server: server, Kind: t.kind, Name: t.name, As: t.listed, ReadOnly: t.readOnly, Ask: h.asks(t), Held: h.held(t), Off: h.isOff(t)})
	}
	return list
}

// What clients take, as they document it or as people found out.
const (
	maxSchema      = 16 << 10 // bytes; claude.ai drops a tool with a longer one and says nothing
	maxDescription = 2 << 10  // bytes; Claude Code cuts what is longer
	maxTools       = 128      // VS Code takes no more at a time
)

// Findings says, a sentence each, what the owner should know of the servers'
// offers: what is listed under another name and why, and what clients will drop.
func (h *Hub) Findings() []string {
	x, err := h.all.index(context.Background(), nobody, mount.Known)
	if err != nil {
		return nil
	}
	tools := slices.DeleteFunc(slices.Clone(x.kinds[kindTool].list), h.isOff)
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, t := range x.all() {
		if t.listed != t.name {
			say("The %s %s of the server %s is listed at /mcp as %s: %s.", kindWord(t.kind), shorten(t.name), t.server, shorten(t.listed), x.reason(t))
		}
	}
	for _, t := range tools {
		if n := len(t.schema); n > maxSchema {
			say("The tool %s of the server %s has an input schema of %d KiB. claude.ai drops tools with more than 16 KiB and says nothing.", shorten(t.name), t.server, n>>10)
		}
		if n := len(rpc.Get(t.raw, "description")); n > maxDescription {
			say("The tool %s of the server %s has a description of %d bytes. Some clients cut it after 2048.", shorten(t.name), t.server, n-2)
		}
	}
	if n := len(tools); n > maxTools {
		say("There are %d tools at /mcp. Some clients take no more than %d: connect those to /s/NAME/mcp, or let rules choose.", n, maxTools)
	}
	return list
}

func (x *index) reason(t *item) string {
	short := fit(t.name, maxName)
	names := x.kinds[t.kind]
	switch {
	case t.kind == kindResource || t.kind == kindTemplate:
		return "another server has it too"
	case names.unsure[short] != nil:
		return "other servers have one of that name too"
	case names.byName[short] != nil && names.byName[short].server == Own && short == t.name:
		return "Drawbridge has one of that name itself"
	case t.listed == short:
		return "clients take letters, digits, _ and - only, at most 64"
	}
	return "its own name would read as another server's"
}

func kindWord(kind string) string {
	if kind == kindTemplate {
		return "resource template"
	}
	return kind
}
