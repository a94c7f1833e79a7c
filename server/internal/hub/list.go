package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// pageSize is how many items a page of a list has. Most clients ask for the
// first page alone, so it is more than most people have.
const pageSize = 500

// lists are the methods that list, with the kind and the field of the answer.
var lists = map[string]struct{ kind, field string }{
	"tools/list":               {kindTool, "tools"},
	"prompts/list":             {kindPrompt, "prompts"},
	"resources/list":           {kindResource, "resources"},
	"resources/templates/list": {kindTemplate, "resourceTemplates"},
}

// list answers with what the client may use of the servers that are up.
func (s *endpoint) list(ctx context.Context, c gateway.Client, method string, params object) (json.RawMessage, error) {
	from := 0
	if raw := params["cursor"]; has(raw) {
		cursor, _ := params.text("cursor")
		plain, err := s.h.seal.open(cursor, "cursor", s.server, method)
		if err != nil {
			return nil, invalid("The cursor is not one of this list. Ask for the list without one.")
		}
		if from, err = strconv.Atoi(string(plain)); err != nil {
			return nil, invalid("The cursor is not one of this list. Ask for the list without one.")
		}
	}
	x, err := s.index(ctx, c, mount.Fresh)
	if err != nil {
		return nil, err
	}
	what := lists[method]
	visible := s.visible(c.Caller(), x, what.kind)
	from = min(from, len(visible))
	to := min(from+pageSize, len(visible))

	var b bytes.Buffer
	b.WriteString(`{"` + what.field + `":[`)
	for i, t := range visible[from:to] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(t.shown)
	}
	b.WriteByte(']')
	if to < len(visible) {
		b.WriteString(`,"nextCursor":"` + s.h.seal.seal([]byte(strconv.Itoa(to)), "cursor", s.server, method) + `"`)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// visible is what who is told of one kind.
func (s *endpoint) visible(who *oauth.Caller, x *index, kind string) []*item {
	down := s.down()
	var list []*item
	for _, t := range x.namespace(kind).list {
		if !down[t.server] && s.allowed(who, t) && !s.h.held(t) {
			list = append(list, t)
		}
	}
	return list
}

// down is the servers that have failed: at /mcp their items are left out.
func (s *endpoint) down() map[string]bool {
	if s.server != "" {
		return nil
	}
	var down map[string]bool
	for _, st := range s.h.o.Mounts.Status() {
		if st.State == "failed" || st.State == "off" {
			if down == nil {
				down = map[string]bool{}
			}
			down[st.Name] = true
		}
	}
	return down
}
