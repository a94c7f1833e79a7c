package hub

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
)

// The kinds of items that servers offer.
const (
	kindTool     = "tool"
	kindPrompt   = "prompt"
	kindResource = "resource"
	kindTemplate = "template"
)

// item is one tool, prompt, resource or template. It is never changed.
type item struct {
	kind     string
	server   string         // Own for a built-in tool
	cat      *mount.Catalog // nil for a built-in tool
	name     string         // its own; a resource's URI; a template's URI template
	listed   string         // what clients are told
	always   string         // what it answers to whatever else there is
	raw      json.RawMessage
	shown    json.RawMessage // raw under its listed name
	readOnly bool
	schema   json.RawMessage // a tool's inputSchema
	match    *regexp.Regexp  // a template's
}

// mounted is a server and what it offers.
type mounted struct {
	server string
	cat    *mount.Catalog
	away   bool // it offered that once, and has not said yet what it offers now
}

// index is what there is, and under which names, for everybody alike. It is
// never changed.
type index struct {
	of        []mounted // what it was made of
	own       []builtin.Tool
	tools     namespace
	prompts   namespace
	resources namespace
	templates namespace
}

// namespace holds the items of one kind.
type namespace struct {
	list   []*item            // in the order in which they are listed
	byName map[string]*item   // every name that means exactly one item
	unsure map[string][]*item // names that several servers have
}

// newIndex names everything. At /s/NAME/mcp (isSingle) a server's items keep their own names.
func newIndex(of []mounted, own []builtin.Tool, isSingle bool) *index {
	x := &index{of: of, own: own}
	var tools, prompts, resources, templates []*item
	for _, b := range own {
		tools = append(tools, newItem(kindTool, Own, nil, mount.Item{Name: b.Name, Raw: b.Raw}))
		tools[len(tools)-1].readOnly = b.ReadOnly
	}
	for _, m := range of {
		tools = appendItems(tools, kindTool, m, m.cat.Tools)
		prompts = appendItems(prompts, kindPrompt, m, m.cat.Prompts)
		resources = appendItems(resources, kindResource, m, m.cat.Resources)
		templates = appendItems(templates, kindTemplate, m, m.cat.Templates)
	}
	reserved := map[string]bool{}
	for _, m := range of {
		reserved[prefix(m.server)] = true
	}
	if isSingle {
		x.tools, x.prompts, x.resources, x.templates = keep(tools), keep(prompts), keep(resources), keep(templates)
	} else {
		x.tools, x.prompts = name(tools, reserved), name(prompts, reserved)
		x.resources, x.templates = address(resources), address(templates)
	}
	for _, names := range []*namespace{&x.tools, &x.prompts, &x.resources, &x.templates} {
		names.leaveOut(of)
	}
	return x
}

// leaveOut takes out the items of servers that are away. Their names stay theirs.
func (n *namespace) leaveOut(of []mounted) {
	away := map[string]bool{}
	for _, m := range of {
		away[m.server] = m.away
	}
	isAway := func(t *item) bool { return away[t.server] }
	n.list = slices.DeleteFunc(n.list, isAway)
	maps.DeleteFunc(n.byName, func(_ string, t *item) bool { return isAway(t) })
	for name, items := range n.unsure {
		n.unsure[name] = slices.DeleteFunc(items, isAway)
	}
}

// made reports whether x was made of the same.
func (x *index) made(of []mounted, own []builtin.Tool) bool {
	return x != nil && slices.Equal(x.of, of) && slices.EqualFunc(x.own, own, func(a, b builtin.Tool) bool { return a.Name == b.Name })
}

func appendItems(list []*item, kind string, m mounted, items []mount.Item) []*item {
	seen := map[string]bool{}
	for _, it := range items {
		if it.Name == "" || seen[it.Name] { // a second one could never be called
			continue
		}
		seen[it.Name] = true
		list = append(list, newItem(kind, m.server, m.cat, it))
	}
	return list
}

func newItem(kind, server string, cat *mount.Catalog, it mount.Item) *item {
	t := &item{kind: kind, server: server, cat: cat, name: it.Name, listed: it.Name, always: it.Name, raw: it.Raw, shown: it.Raw}
	switch kind {
	case kindTool:
		o, err := fields(it.Raw)
		if err != nil {
			break
		}
		t.schema = o["inputSchema"]
		notes, _ := fields(o["annotations"])
		t.readOnly = string(notes["readOnlyHint"]) == "true" // MCP "ToolAnnotations": absent means false
	case kindTemplate:
		t.match = templatePattern(it.Name)
	}
	return t
}

// keep leaves every name as it is, but for those that clients don't take.
func keep(list []*item) namespace {
	s := namespace{list: list, byName: map[string]*item{}}
	for _, t := range list {
		s.byName[t.name] = t
	}
	for _, t := range list {
		if t.kind != kindTool && t.kind != kindPrompt {
			continue
		}
		if short := fit(t.name, maxName); short != t.name && s.byName[short] == nil {
			t.listed, s.byName[short] = short, t
			t.shown = renamed(t)
		}
	}
	return s
}

// name gives tools or prompts their names at /mcp.
func name(list []*item, reserved map[string]bool) namespace {
	s := namespace{list: list, byName: map[string]*item{}, unsure: map[string][]*item{}}
	wanted := map[string][]*item{}
	for _, t := range list {
		short := t.name
		if t.server != Own {
			short = fit(t.name, maxName)
		}
		wanted[short] = append(wanted[short], t)
		if t.server != Own {
			t.always = prefixed(t.server, t.name)
			s.byName[t.always] = t
		}
	}
	for short, items := range wanted {
		head, _, isPrefixed := strings.Cut(short, separator)
		switch first := items[0]; { // built-in ones come first
		case first.server == Own:
			first.listed = short
			s.byName[short] = first
			items = items[1:]
		case isPrefixed && reserved[head]: // it would read as another server's
		case len(items) == 1:
			first.listed, items = short, nil
			s.byName[short] = first
		default:
			s.unsure[short] = items
		}
		for _, t := range items {
			t.listed = t.always
		}
	}
	for _, t := range list {
		if t.listed != t.name {
			t.shown = renamed(t)
		}
	}
	return s
}

// address gives resources or templates their URIs at /mcp: the first server
// that lists one keeps it.
func address(list []*item) namespace {
	s := namespace{list: list, byName: map[string]*item{}}
	for _, t := range list {
		t.always = mappedURI(t.server, t.name)
		s.byName[t.always] = t
		if s.byName[t.name] == nil && !strings.HasPrefix(t.name, scheme) {
			s.byName[t.name] = t
			continue
		}
		t.listed = t.always
		t.shown = renamed(t)
		if t.kind == kindTemplate {
			t.match = templatePattern(t.listed)
		}
	}
	return s
}

// renamed is an item as it is listed under another name. A tool or prompt whose
// name says its server has that in its description too.
func renamed(t *item) json.RawMessage {
	o, err := fields(t.raw)
	if err != nil {
		return t.raw
	}
	key := map[string]string{kindTool: "name", kindPrompt: "name", kindResource: "uri", kindTemplate: "uriTemplate"}[t.kind]
	o[key] = quote(t.listed)
	if (t.kind == kindTool || t.kind == kindPrompt) && t.listed == t.always {
		var text string
		_ = json.Unmarshal(o["description"], &text)
		o["description"] = quote(strings.TrimSpace("[" + t.server + "] " + text))
	}
	return encode(o)
}

// maxTemplate bounds what is compiled, in bytes.
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
		switch expression[0] {
		case '+', '#', '/', '?', '&', '.', ';': // may hold what separates parts of a URI
			b.WriteString(".*")
		default:
			if strings.HasSuffix(expression, "*") {
				b.WriteString(".*")
			} else {
				b.WriteString("[^/?#]*")
			}
		}
		rest = tail
	}
	b.WriteString("$")
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil
	}
	return re
}
