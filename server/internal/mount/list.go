package mount

import (
	"context"
	"encoding/json"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// What one catalog may hold.
const (
	maxItems   = 10_000
	maxCatalog = 16 << 20 // bytes
	maxPages   = 1000
)

// lister reads lists within the bounds of a catalog.
type lister struct {
	conv  *conversation
	items int
	bytes int
	odd   []string // see Catalog.Odd
}

// list reads every list that the server has, to its end.
func (c *conversation) list(ctx context.Context) (*Catalog, error) {
	var has struct {
		Tools     json.RawMessage `json:"tools"`
		Prompts   json.RawMessage `json:"prompts"`
		Resources json.RawMessage `json:"resources"`
	}
	_ = json.Unmarshal(c.description.Capabilities, &has) // none that can be read is none
	found := &Catalog{Era: c.era(), Description: c.description}
	l := &lister{conv: c}
	for _, one := range []struct {
		has         bool
		method, key string
		name        string
		to          *[]Item
	}{
		{present(has.Tools) != nil, "tools/list", "tools", "name", &found.Tools},
		{present(has.Prompts) != nil, "prompts/list", "prompts", "name", &found.Prompts},
		{present(has.Resources) != nil, "resources/list", "resources", "uri", &found.Resources},
		{present(has.Resources) != nil, "resources/templates/list", "resourceTemplates", "uriTemplate", &found.Templates},
	} {
		if !one.has {
			continue
		}
		items, err := l.read(ctx, one.method, one.key, one.name)
		if err != nil && !isCode(err, rpc.CodeMethodNotFound) {
			return nil, err
		}
		*one.to = items
	}
	found.Odd = l.odd
	return found, nil
}

// read reads the pages of one list.
func (l *lister) read(ctx context.Context, method, key, name string) ([]Item, error) {
	var items []Item
	seen := make(map[string]bool)
	var params json.RawMessage
	for range maxPages {
		result, err := l.page(ctx, method, params)
		if err != nil {
			return nil, err
		}
		var page []json.RawMessage
		if json.Unmarshal(result[key], &page) != nil {
			return nil, rpc.Errorf(rpc.CodeInternal, "the answer to %s holds no list", method)
		}
		for _, raw := range page {
			raw, title, ok := l.mend(method, name, raw)
			if !ok || seen[title] {
				continue // it could not be told from another
			}
			seen[title] = true
			if l.items, l.bytes = l.items+1, l.bytes+len(raw); l.items > maxItems || l.bytes > maxCatalog {
				l.conv.server.log.say("It offers more than %d items or %d MiB of them; the rest was left out.", maxItems, maxCatalog>>20)
				return items, nil
			}
			items = append(items, Item{Name: title, Raw: raw})
		}
		var cursor string
		if json.Unmarshal(result["nextCursor"], &cursor) != nil || cursor == "" && present(result["nextCursor"]) == nil {
			return items, nil
		}
		params = encode(map[string]string{"cursor": cursor})
	}
	return items, nil
}

func (l *lister) page(ctx context.Context, method string, params json.RawMessage) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, l.conv.server.set.tune.list)
	defer cancel()
	result, err := l.conv.do(ctx, nil, method, params, nil)
	if err != nil {
		return nil, err
	}
	var o object
	if json.Unmarshal(result, &o) != nil {
		return nil, rpc.Errorf(rpc.CodeInternal, "the answer to %s is no object", method)
	}
	return o, nil
}
