package hub

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// pageSize is how many items a page of a list has. Most clients ask for the
// first page alone, so it is more than most people have.
const pageSize = 500

var lists = map[string]struct{ kind, field string }{
	"tools/list":               {kindTool, "tools"},
	"prompts/list":             {kindPrompt, "prompts"},
	"resources/list":           {kindResource, "resources"},
	"resources/templates/list": {kindTemplate, "resourceTemplates"},
}

// page is a page of a list as it was last written, for whoever sees the same.
type page struct {
	kind    string
	era     rpc.Era
	more    bool
	visible []*item
	answer  rpc.Object
}

const maxPages = 16

func (s *endpoint) list(ctx context.Context, c *gateway.Client, method string, params object) (rpc.Object, error) {
	from, mine := 0, method+" "+s.server+" " // a cursor is of one list
	if raw := params["cursor"]; has(raw) {
		cursor, _ := params.text("cursor")
		rest, ok := strings.CutPrefix(cursor, mine)
		n, err := strconv.ParseUint(rest, 10, 31)
		if !ok || err != nil {
			return nil, invalid("The cursor is not one of this list. Ask for the list without one.")
		}
		from = int(n)
	}
	x, err := s.index(ctx, c, mount.Fresh)
	if err != nil {
		return nil, err
	}
	visible := s.visible(c.Caller, x, lists[method].kind)
	from = min(from, len(visible))
	to := min(from+pageSize, len(visible))
	p := page{kind: lists[method].kind, era: c.Era, more: to < len(visible), visible: visible[from:to]}
	s.mu.Lock()
	i := slices.IndexFunc(x.pages, p.same)
	if i >= 0 {
		p = x.pages[i]
	}
	s.mu.Unlock()
	if i >= 0 {
		return p.answer, nil
	}
	var b bytes.Buffer
	b.WriteByte('{')
	if c.Era == rpc.Modern {
		fmt.Fprintf(&b, `"resultType":"complete","ttlMs":0,"cacheScope":"private",`)
		if s.server == "" {
			fmt.Fprintf(&b, `"_meta":{%q:%s},`, metaServerInfo, s.h.o.ServerInfo)
		}
	}
	fmt.Fprintf(&b, "%q:[", lists[method].field)
	for i, t := range p.visible {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(t.shown)
	}
	b.WriteByte(']')
	if p.more {
		fmt.Fprintf(&b, `,"nextCursor":%s`, rpc.Quote(mine+strconv.Itoa(to)))
	}
	b.WriteByte('}')
	p.answer = rpc.ObjectOf(b.Bytes())
	s.mu.Lock()
	defer s.mu.Unlock()
	x.pages = slices.Insert(x.pages, 0, p)
	x.pages = x.pages[:min(len(x.pages), maxPages)]
	return p.answer, nil
}

func (p page) same(o page) bool {
	return p.kind == o.kind && p.era == o.era && p.more == o.more && slices.Equal(p.visible, o.visible)
}

func (s *endpoint) visible(who *oauth.Caller, x *index, kind string) []*item {
	down := map[string]bool{} // servers that have failed: at /mcp their items are left out
	if s.server == "" {
		for _, st := range s.h.o.Mounts.Status() {
			down[st.Name] = st.State == "failed" || st.State == "off"
		}
	}
	var list []*item
	for _, t := range x.kinds[kind].list {
		if !down[t.server] && s.allowed(who, t) && !s.h.held(t) {
			list = append(list, t)
		}
	}
	return list
}
