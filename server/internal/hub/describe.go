package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Instructions of servers at /mcp, in bytes: each, and all together.
const (
	maxInstructions    = 2000
	maxAllInstructions = 16_000
)

// Describe says what there is behind an endpoint: a server in its own words, or
// Drawbridge in those of all.
func (s *endpoint) Describe(ctx context.Context, c *gateway.Client) (rpc.Description, error) {
	if err := s.mayEnter(c.Caller); err != nil {
		return rpc.Description{}, err
	}
	x, err := s.index(ctx, c, mount.Needed)
	if err != nil {
		return rpc.Description{}, err
	}
	if s.server != "" {
		if len(x.of) == 0 {
			return rpc.Description{}, errNoServer
		}
		d := x.of[0].cat.Describes(c.Era)
		if s.h.holds(x.of[0], kindInstructions, "") {
			d.Instructions = ""
		}
		d.Capabilities = carried(d.Capabilities)
		return d, nil
	}
	return rpc.Description{
		// Said at once for all that may come: a server can be mounted later.
		Capabilities: json.RawMessage(`{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}}`),
		ServerInfo:   s.h.o.ServerInfo,
		Instructions: s.instructions(c, x),
	}, nil
}

func (s *endpoint) instructions(c *gateway.Client, x *index) string {
	var b strings.Builder
	for _, m := range x.of {
		text := strings.TrimSpace(m.cat.Description.Instructions)
		if text == "" || !s.h.o.Policy().Server(c.Caller, m.server) || s.h.holds(m, kindInstructions, "") {
			continue
		}
		if len(text) > maxInstructions {
			text = strings.ToValidUTF8(text[:maxInstructions], "") + "…"
		}
		if b.Len()+len(text) > maxAllInstructions {
			break
		}
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", m.server, text)
	}
	return strings.TrimSpace(b.String())
}

// carried is the capabilities of a server that Drawbridge carries: not tasks,
// whose methods no rule knows.
func carried(capabilities json.RawMessage) json.RawMessage {
	caps := fields(capabilities)
	delete(caps, "tasks")
	if extensions := fields(caps["extensions"]); len(extensions) > 0 {
		delete(extensions, metaPrefix+"tasks")
		caps["extensions"] = encode(extensions)
	}
	return encode(caps)
}

// InputSchema returns the schema of a tool that the client may call.
func (s *endpoint) InputSchema(ctx context.Context, c *gateway.Client, tool string) json.RawMessage {
	if s.mayEnter(c.Caller) != nil {
		return nil
	}
	t, err := s.find(ctx, c, kindTool, tool)
	if err != nil {
		return nil
	}
	return t.schema
}

// Notified passes on what a client tells of its progress with what a server
// asked it. At /mcp nobody can tell which server that was. That its roots have
// changed is no server's business, see noRoots.
func (s *endpoint) Notified(ctx context.Context, c *gateway.Client, method string, params json.RawMessage) {
	if method != "notifications/progress" || c.Era != rpc.Legacy || s.server == "" || s.mayEnter(c.Caller) != nil {
		return
	}
	x, err := s.index(ctx, c, mount.Known)
	if err != nil {
		return
	}
	for _, m := range x.of {
		if era := m.cat.Speaks(c.Era); era == rpc.Legacy {
			s.h.o.Mounts.Notify(ctx, m.server, seen(c, era), method, params)
		}
	}
}
