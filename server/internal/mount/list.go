package mount

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/mend"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// What one catalog may hold.
const (
	maxItems   = 10_000
	maxCatalog = 16 << 20 // bytes
	maxPages   = 1000
)

// maxOdd bounds what is said about the items of one server.
const maxOdd = 50

// defaultTTL is how long a list is taken for fresh whose server does not say
// (ttlMs, MCP 2026-07-28, "Caching").
const defaultTTL = 10 * time.Second

// maxTTL is the longest that a copy is believed to be fresh.
const maxTTL = time.Hour

// oneList is a list that a server may have, and what came of asking for it.
type oneList struct {
	capability  string
	method, key string
	kind, name  string // what an item is, and the member that names it
	change      Change // that the list is another
	mend        func(json.RawMessage) (json.RawMessage, []string, bool)
	of          func(*Catalog) *[]Item

	asked bool
	odd   []string        // see Catalog.Odd
	ttls  []time.Duration // of its pages, where they say so
	err   error
}

func allLists() []*oneList {
	return []*oneList{
		{capability: "tools", method: "tools/list", key: "tools", kind: "tool", name: "name", change: ToolsChanged, mend: mend.Tool, of: func(c *Catalog) *[]Item { return &c.Tools }},
		{capability: "prompts", method: "prompts/list", key: "prompts", kind: "prompt", name: "name", change: PromptsChanged, mend: mend.Prompt, of: func(c *Catalog) *[]Item { return &c.Prompts }},
		{capability: "resources", method: "resources/list", key: "resources", kind: "resource", name: "uri", change: ResourcesChanged, mend: mend.Resource, of: func(c *Catalog) *[]Item { return &c.Resources }},
		{capability: "resources", method: "resources/templates/list", key: "resourceTemplates", kind: "resource template", name: "uriTemplate", change: ResourcesChanged, mend: mend.Template, of: func(c *Catalog) *[]Item { return &c.Templates }},
	}
}

// list reads every list that the server has, to its end. One that fails or
// hangs takes no other along: it is as in was, the last catalog (nil: none),
// and Unlisted says so. The error is why nothing could be read at all.
func (c *conversation) list(ctx context.Context, was *Catalog) (*Catalog, error) {
	capabilities, _ := asObject(c.description.Capabilities) // none that can be read is none
	found := &Catalog{Eras: Eras{Era: c.era()}, Description: c.description}
	lists := allLists()
	declares := func(one *oneList) bool { return rpc.Given(capabilities[one.capability]) != nil }
	some := slices.ContainsFunc(lists, declares)
	var items, bytes atomic.Int64 // of all lists
	room := func(raw json.RawMessage) bool {
		return items.Add(1) <= maxItems && bytes.Add(int64(len(raw))) <= maxCatalog
	}
	read := func(ctx context.Context, one *oneList) {
		one.asked = declares(one)
		// Some servers declare nothing and have tools all the same.
		if !one.asked && some && one.capability != "tools" {
			return
		}
		*one.of(found), one.err = c.readList(ctx, one, room)
		if isCode(one.err, rpc.CodeMethodNotFound) || !one.asked && isOwn(one.err) {
			one.err = nil
		}
	}
	read(ctx, lists[0]) // alone: a server that takes one request after the other is not held up by the rest
	within, cancel := context.WithTimeout(ctx, c.server.set.tune.rest)
	defer cancel()
	var rest sync.WaitGroup
	for _, one := range lists[1:] {
		rest.Go(func() { read(within, one) })
	}
	rest.Wait()
	if !c.alive() {
		return nil, c.why()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var ttls []time.Duration
	var failed []error
	asked := 0
	for _, one := range lists {
		found.Odd, ttls = append(found.Odd, one.odd...), append(ttls, one.ttls...)
		if len(*one.of(found)) > 0 && !declares(one) {
			capabilities[one.capability] = json.RawMessage("{}") // else clients would not ask for it
			found.Description.Capabilities = encode(capabilities)
		}
		if one.err != nil {
			found.Unlisted = append(found.Unlisted, one.method)
			if was != nil {
				*one.of(found) = *one.of(was)
			}
		}
		if one.asked {
			asked++
			if one.err != nil {
				failed = append(failed, one.err)
			}
		}
	}
	if len(failed) > 0 && len(failed) == asked {
		return nil, failed[0]
	}
	for _, one := range lists {
		if one.err != nil {
			c.server.log.say("It did not answer %s, which is asked again later: %v", one.method, c.server.unanswered(one.err))
		}
	}
	found.ttl = defaultTTL
	if len(ttls) > 0 {
		found.ttl = slices.Min(ttls)
	}
	return found, nil
}

// readList reads the pages of a list, as far as there is room for its items, each
// as clients take it.
func (c *conversation) readList(ctx context.Context, list *oneList, room func(json.RawMessage) bool) ([]Item, error) {
	var items []Item
	seen := make(map[string]bool)
	var params json.RawMessage
	for range maxPages {
		result, err := c.page(ctx, list.method, params)
		if err != nil {
			return nil, err
		}
		var page []json.RawMessage
		if json.Unmarshal(result.Get(list.key), &page) != nil {
			return nil, rpc.Errorf(rpc.CodeInternal, "the answer to %s holds no list", list.method)
		}
		for _, raw := range page {
			name, _ := rpc.String(rpc.Get(raw, list.name))
			raw, notes, ok := list.mend(raw)
			for _, note := range notes {
				list.odd = append(list.odd, fmt.Sprintf("%s %q: %s", list.kind, status.Clean(name, 100), status.Clean(note, 200)))
			}
			if !ok || seen[name] {
				continue // it could not be told from another
			}
			seen[name] = true
			if !room(raw) {
				c.server.log.say("It offers more than %d items or %d MiB of them; the rest was left out.", maxItems, maxCatalog>>20)
				return items, nil
			}
			items = append(items, Item{Name: name, Raw: raw})
		}
		var ms float64
		if raw := rpc.Given(result.Get("ttlMs")); raw != nil && json.Unmarshal(raw, &ms) == nil && ms >= 0 {
			list.ttls = append(list.ttls, time.Duration(min(ms, float64(maxTTL/time.Millisecond)))*time.Millisecond)
		}
		var cursor string
		if json.Unmarshal(result.Get("nextCursor"), &cursor) != nil || cursor == "" && rpc.Given(result.Get("nextCursor")) == nil {
			return items, nil
		}
		params = encode(map[string]string{"cursor": cursor})
	}
	return items, nil
}

// page asks for one page of a list.
func (c *conversation) page(ctx context.Context, method string, params json.RawMessage) (rpc.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.server.set.tune.list)
	defer cancel()
	result, err := c.do(ctx, Client{}, method, params, nil)
	if err != nil {
		return nil, err
	}
	if result == nil {
		return nil, rpc.Errorf(rpc.CodeInternal, "the answer to %s is no object", method)
	}
	return result, nil
}

// sayOdd notes what is odd now and was not before.
func (s *server) sayOdd(was, is *Catalog) {
	for i, line := range is.Odd {
		if was != nil && slices.Contains(was.Odd, line) {
			continue
		}
		if i == maxOdd {
			s.log.say("More of what it offers is odd: %d lines in all.", len(is.Odd))
			return
		}
		s.log.say("What it offers was mended, so that clients take it: %s.", line)
		s.set.o.Log.Info("mended what a server offers", "server", s.name, "what", line)
	}
}
