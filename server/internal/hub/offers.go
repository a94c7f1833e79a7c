package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Offers returns what a server offers as far as it has said so, for its owner to
// look at: what is held or switched off is among it.
func (h *Hub) Offers(server string) []status.Offer {
	x := newIndex(nil, builtin.All(), true)
	if server != Own {
		cat, err := h.o.Mounts.Catalog(context.Background(), server, mount.Client{}, mount.Known)
		if err != nil || cat == nil {
			return nil
		}
		x = newIndex([]mounted{{server: server, cat: cat}}, nil, true)
	}
	on := h.o.Builtin.List()
	var list []status.Offer
	for _, t := range x.all() {
		offer := status.Offer{Kind: t.kind, Name: t.name, Schema: t.schema, ReadOnly: t.readOnly, Off: h.isOff(t), Held: h.held(t), Ask: h.asks(t)}
		o := fields(t.raw)
		offer.Title, _ = o.text("title")
		offer.Description, _ = o.text("description")
		if t.kind == kindResource || t.kind == kindTemplate {
			label, _ := o.text("name")
			offer.Title = cmp.Or(offer.Title, label)
		}
		if server == Own {
			offer.Off = !slices.ContainsFunc(on, func(b builtin.Tool) bool { return b.Name == t.name })
		}
		list = append(list, offer)
	}
	return list
}

// owner is who calls a tool from the console: nobody signed in, and nothing of
// theirs ends with a session.
var owner = &oauth.Caller{User: status.User{Sub: "owner of this computer"}, Client: status.SessionClient{Name: "Drawbridge console"}}

// Try calls a tool as the owner of this computer. No rule stands between, and
// nobody is asked: whoever makes the rules and gives consent is calling. A server
// sees Drawbridge itself, and can ask nothing back.
func (h *Hub) Try(ctx context.Context, server, tool string, arguments json.RawMessage) (json.RawMessage, error) {
	if server == Own {
		result, err := h.callOwn(ctx, owner, tool, arguments)
		return result.Raw(), err
	}
	params, err := paramsOf("tools/call", encode(object{"name": rpc.Quote(tool), "arguments": arguments}))
	if err != nil {
		return nil, err
	}
	cat, err := h.o.Mounts.Catalog(ctx, server, mount.Client{}, mount.Needed)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	result, err := h.o.Mounts.Call(ctx, server, mount.Client{Era: cat.Speaks(rpc.Legacy)}, "tools/call", encode(params), nil)
	result, err = h.outcome(ctx, owner, server, tool, time.Since(began), result, err)
	return result.Raw(), err
}
