package hub

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// The kinds of items that servers offer.
const (
	kindTool     = "tool"
	kindPrompt   = "prompt"
	kindResource = "resource"
	kindTemplate = "template"
)

var kinds = []string{kindTool, kindPrompt, kindResource, kindTemplate}

// item is one tool, prompt, resource or template. It is never changed.
type item struct {
	mounted  // server is Own for a built-in tool, which has no catalog
	kind     string
	name     string // its own; a resource's URI; a template's URI template
	listed   string // what clients are told
	always   string // what it answers to whatever else there is
	raw      json.RawMessage
	shown    json.RawMessage // raw under its listed name
	readOnly bool
	schema   json.RawMessage // a tool's inputSchema
	match    *regexp.Regexp  // of a template's own name
}

type mounted struct {
	server string
	cat    *mount.Catalog
	away   bool // it offered that once, and has not said yet what it offers now
}

// index is what there is, and under which names, for everybody alike. It is
// never changed, but for the answers that are kept with it.
type index struct {
	of    []mounted // what it was made of
	own   []builtin.Tool
	kinds map[string]*namespace
	pages []page // of lists, the newest first; guarded by endpoint.mu
}

type namespace struct {
	list   []*item            // in the order in which they are listed
	byName map[string]*item   // every name that means exactly one item
	unsure map[string][]*item // names that several servers have
}

// newIndex names everything. At /s/NAME/mcp (isSingle) a server's items keep their own names.
func newIndex(of []mounted, own []builtin.Tool, isSingle bool) *index {
	lists := map[string][]*item{}
	for _, b := range own {
		lists[kindTool] = append(lists[kindTool], newItem(kindTool, mounted{server: Own}, mount.Item{Name: b.Name, Raw: b.Raw}))
	}
	reserved := map[string]bool{}
	for _, m := range of {
		reserved[prefix(m.server)] = true
		for kind, items := range map[string][]mount.Item{kindTool: m.cat.Tools, kindPrompt: m.cat.Prompts, kindResource: m.cat.Resources, kindTemplate: m.cat.Templates} {
			seen := map[string]bool{}
			for _, it := range items {
				if it.Name != "" && !seen[it.Name] { // a second one could never be called
					seen[it.Name] = true
					lists[kind] = append(lists[kind], newItem(kind, m, it))
				}
			}
		}
	}
	x := &index{of: of, own: own, kinds: map[string]*namespace{}}
	for _, kind := range kinds {
		n := &namespace{list: lists[kind], byName: map[string]*item{}, unsure: map[string][]*item{}}
		switch {
		case isSingle:
			n.keep()
		case kind == kindTool, kind == kindPrompt:
			n.name(reserved)
		default:
			n.address()
		}
		for _, t := range n.list {
			if t.listed != t.name {
				t.shown = renamed(t)
			}
			t.shown = rpc.OneLine(t.shown)
		}
		n.leaveOut()
		x.kinds[kind] = n
	}
	return x
}

func (x *index) all() (list []*item) {
	for _, kind := range kinds {
		list = append(list, x.kinds[kind].list...)
	}
	return list
}

// leaveOut takes out the items of servers that are away. Their names stay theirs.
func (n *namespace) leaveOut() {
	isAway := func(t *item) bool { return t.away }
	n.list = slices.DeleteFunc(n.list, isAway)
	maps.DeleteFunc(n.byName, func(_ string, t *item) bool { return t.away })
	for name, items := range n.unsure {
		n.unsure[name] = slices.DeleteFunc(items, isAway)
	}
}

func (x *index) made(of []mounted, own []builtin.Tool) bool {
	return x != nil && slices.Equal(x.of, of) && slices.EqualFunc(x.own, own, func(a, b builtin.Tool) bool { return a.Name == b.Name })
}

func newItem(kind string, m mounted, it mount.Item) *item {
	t := &item{mounted: m, kind: kind, name: it.Name, listed: it.Name, always: it.Name, raw: it.Raw, shown: it.Raw}
	switch kind {
	case kindTool:
		t.schema = rpc.Get(it.Raw, "inputSchema")
		t.readOnly = string(rpc.Get(rpc.Get(it.Raw, "annotations"), "readOnlyHint")) == "true" // MCP "ToolAnnotations": absent means false
	case kindTemplate:
		t.match = templatePattern(it.Name)
	}
	return t
}

// keep leaves every name as it is, but for those that clients don't take.
func (n *namespace) keep() {
	for _, t := range n.list {
		n.byName[t.name] = t
	}
	for _, t := range n.list {
		if t.kind != kindTool && t.kind != kindPrompt {
			continue
		}
		if short := fit(t.name, maxName); n.byName[short] == nil {
			t.listed, n.byName[short] = short, t
		}
	}
}

func (n *namespace) name(reserved map[string]bool) {
	wanted := map[string][]*item{}
	for _, t := range n.list {
		short := t.name
		if t.server != Own {
			short = fit(t.name, maxName)
			t.always = prefixed(t.server, t.name)
			n.byName[t.always] = t
		}
		wanted[short] = append(wanted[short], t)
	}
	for short, items := range wanted {
		head, _, isPrefixed := strings.Cut(short, separator)
		switch first := items[0]; { // built-in ones come first
		case first.server == Own:
			n.byName[short] = first
			items = items[1:]
		case isPrefixed && reserved[head]: // it would read as another server's
		case len(items) == 1:
			first.listed, items = short, nil
			n.byName[short] = first
		default:
			n.unsure[short] = items
		}
		for _, t := range items {
			t.listed = t.always
		}
	}
}

// address gives resources or templates their URIs at /mcp: the first server
// that lists one keeps it.
func (n *namespace) address() {
	for _, t := range n.list {
		t.always = mappedURI(t.server, t.name)
		n.byName[t.always] = t
		if n.byName[t.name] == nil && !strings.HasPrefix(t.name, scheme) {
			n.byName[t.name] = t
			continue
		}
		t.listed = t.always
	}
}

// renamed is an item as it is listed under another name. A tool or prompt whose
// name says its server has that in its description too.
func renamed(t *item) json.RawMessage {
	o := fields(t.raw)
	if o == nil {
		return t.raw
	}
	key := map[string]string{kindTool: "name", kindPrompt: "name", kindResource: "uri", kindTemplate: "uriTemplate"}[t.kind]
	o[key] = rpc.Quote(t.listed)
	if (t.kind == kindTool || t.kind == kindPrompt) && t.listed == t.always {
		text, _ := o.text("description")
		o["description"] = rpc.Quote(strings.TrimSpace("[" + t.server + "] " + text))
	}
	return encode(o)
}

const maxTemplate = 2048

// templatePattern matches what a URI template (RFC 6570) may expand to, well
// enough to find its server. nil: nothing.
func templatePattern(template string) *regexp.Regexp {
	if len(template) > maxTemplate {
		return nil
	}
	var b strings.Builder
	b.WriteString("^")
	for rest := template; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		b.WriteString(regexp.QuoteMeta(literal))
		if !found {
			break
		}
		expression, tail, closed := strings.Cut(after, "}")
		if !closed || expression == "" {
			return nil
		}
		if strings.ContainsAny(expression[:1], "+#/?&.;") || strings.HasSuffix(expression, "*") { // may hold what separates parts of a URI
			b.WriteString(".*")
		} else {
			b.WriteString("[^/?#]*")
		}
		rest = tail
	}
	b.WriteString("$")
	re, _ := regexp.Compile(b.String()) // nil if it is no text
	return re
}
