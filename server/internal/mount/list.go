package mount

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
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

// lister reads lists within the bounds of a catalog.
type lister struct {
	conv *conversation

	mu    sync.Mutex // guards all below
	items int
	bytes int
	odd   []string      // see Catalog.Odd
	ttl   time.Duration // the least of what the lists say
}

// oneList is a list that a server may have, and what came of asking for it.
type oneList struct {
	capability  string
	method, key string
	kind, name  string // what an item is, and the member that names it
	mend        func(json.RawMessage) (json.RawMessage, []string, bool)
	of          func(*Catalog) *[]Item
	asked       bool
	err         error
}

func allLists() []*oneList {
	return []*oneList{
		{capability: "tools", method: "tools/list", key: "tools", kind: "tool", name: "name", mend: mend.Tool, of: func(c *Catalog) *[]Item { return &c.Tools }},
		{capability: "prompts", method: "prompts/list", key: "prompts", kind: "prompt", name: "name", mend: mend.Prompt, of: func(c *Catalog) *[]Item { return &c.Prompts }},
		{capability: "resources", method: "resources/list", key: "resources", kind: "resource", name: "uri", mend: mend.Resource, of: func(c *Catalog) *[]Item { return &c.Resources }},
		{capability: "resources", method: "resources/templates/list", key: "resourceTemplates", kind: "resource template", name: "uriTemplate", mend: mend.Template, of: func(c *Catalog) *[]Item { return &c.Templates }},
	}
}

// list reads every list that the server has, to its end. One that fails or
// hangs takes no other along: it is as in was, the last catalog (nil: none),
// and Unlisted says so. The error is why nothing could be read at all.
func (c *conversation) list(ctx context.Context, was *Catalog) (*Catalog, error) {
	capabilities, _ := asObject(c.description.Capabilities) // none that can be read is none
	found := &Catalog{Era: c.era(), Description: c.description}
	l := &lister{conv: c, ttl: -1}
	lists := allLists()
	declared := slices.ContainsFunc(lists, func(one *oneList) bool { return rpc.Given(capabilities[one.capability]) != nil })
	read := func(ctx context.Context, one *oneList) {
		isDeclared := rpc.Given(capabilities[one.capability]) != nil
		// Some servers declare nothing and have tools all the same.
		if !isDeclared && declared && one.capability != "tools" {
			return
		}
		one.asked = isDeclared
		var items []Item
		if items, one.err = l.read(ctx, one); isCode(one.err, rpc.CodeMethodNotFound) || !isDeclared && isOwn(one.err) {
			one.err = nil
		}
		*one.of(found) = items
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
	return found, l.settle(found, was, lists, capabilities)
}

// settle completes what was found by what could not be read.
func (l *lister) settle(found, was *Catalog, lists []*oneList, capabilities object) error {
	asked, failed := 0, 0
	var err error
	for _, one := range lists {
		if one.asked {
			asked++
		}
		if len(*one.of(found)) > 0 && rpc.Given(capabilities[one.capability]) == nil {
			capabilities[one.capability] = json.RawMessage("{}") // else clients would not ask for it
			found.Description.Capabilities = encode(capabilities)
		}
		if one.err == nil {
			continue
		}
		if one.asked {
			failed++
		}
		if err == nil {
			err = one.err
		}
		found.Unlisted = append(found.Unlisted, one.method)
		if was != nil {
			*one.of(found) = *one.of(was)
		}
	}
	found.Odd = l.odd
	found.ttl = l.ttl
	if found.ttl < 0 {
		found.ttl = defaultTTL
	}
	if failed > 0 && failed == asked {
		return err
	}
	for _, one := range lists {
		if one.err != nil {
			l.conv.server.log.say("It did not answer %s, which is asked again later: %v", one.method, l.conv.server.unanswered(one.err))
		}
	}
	return nil
}

// read reads the pages of one list.
func (l *lister) read(ctx context.Context, list *oneList) ([]Item, error) {
	var items []Item
	seen := make(map[string]bool)
	var params json.RawMessage
	for range maxPages {
		result, err := l.page(ctx, list.method, params)
		if err != nil {
			return nil, err
		}
		var page []json.RawMessage
		if json.Unmarshal(result[list.key], &page) != nil {
			return nil, rpc.Errorf(rpc.CodeInternal, "the answer to %s holds no list", list.method)
		}
		for _, raw := range page {
			raw, title, ok := l.mend(list, raw)
			if !ok || seen[title] {
				continue // it could not be told from another
			}
			seen[title] = true
			if !l.room(raw) {
				l.conv.server.log.say("It offers more than %d items or %d MiB of them; the rest was left out.", maxItems, maxCatalog>>20)
				return items, nil
			}
			items = append(items, Item{Name: title, Raw: raw})
		}
		l.lives(result["ttlMs"])
		var cursor string
		if json.Unmarshal(result["nextCursor"], &cursor) != nil || cursor == "" && rpc.Given(result["nextCursor"]) == nil {
			return items, nil
		}
		params = encode(map[string]string{"cursor": cursor})
	}
	return items, nil
}

// mend returns an item as clients take it, and its name; ok is false if none
// would.
func (l *lister) mend(list *oneList, raw json.RawMessage) (mended json.RawMessage, name string, ok bool) {
	name, _ = rpc.String(rpc.Get(raw, list.name))
	mended, notes, ok := list.mend(raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, note := range notes {
		l.odd = append(l.odd, fmt.Sprintf("%s %q: %s", list.kind, status.Clean(name, 100), status.Clean(note, 200)))
	}
	return mended, name, ok
}

// room counts an item.
func (l *lister) room(raw json.RawMessage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items, l.bytes = l.items+1, l.bytes+len(raw)
	return l.items <= maxItems && l.bytes <= maxCatalog
}

// lives notes how long a page says that it stays fresh, in milliseconds.
func (l *lister) lives(raw json.RawMessage) {
	var ms float64
	if rpc.Given(raw) == nil || json.Unmarshal(raw, &ms) != nil || ms < 0 {
		return
	}
	ttl := time.Duration(min(ms, float64(maxTTL/time.Millisecond))) * time.Millisecond
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ttl < 0 || ttl < l.ttl {
		l.ttl = ttl
	}
}

func (l *lister) page(ctx context.Context, method string, params json.RawMessage) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, l.conv.server.set.tune.list)
	defer cancel()
	result, err := l.conv.do(ctx, Client{}, method, params, nil)
	if err != nil {
		return nil, err
	}
	var o object
	if json.Unmarshal(result, &o) != nil {
		return nil, rpc.Errorf(rpc.CodeInternal, "the answer to %s is no object", method)
	}
	return o, nil
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
