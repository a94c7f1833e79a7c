package pins

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

type look struct {
	Hash string            `json:"hash"`
	Set  string            `json:"set,omitempty"`  // a hash that the order within sets does not change; older records have none
	Text string            `json:"text"`           // for a person to compare, everything that hides written out
	Long bool              `json:"long,omitempty"` // Text is cut
	Part map[string]string `json:"part,omitempty"` // a hash of each member, to say which one changed
}

// same reports whether two looks say the same. Programs build schemas from sets,
// so that enum, required and some defaults come in another order at each start.
func (l look) same(other look) bool {
	return l.Hash == other.Hash || l.Set != "" && l.Set == other.Set
}

// short is l with less of its text, for keeping.
func (l look) short() look {
	l.Text = status.CleanLines(l.Text, keptText)
	return l
}

// members are those that tell a model or a client what something is and does,
// with the words in which a person reads of them. Icons and _meta may change.
var members = []struct{ name, words string }{
	{"title", "its title"}, {"description", "its description"}, {"inputSchema", "what it takes"}, {"outputSchema", "what it returns"},
	{"annotations", "what it says of itself (annotations)"}, {"arguments", "what it takes"},
	{"instructions", "what it tells every model"}, {"name", "its name"}, {"uri", "its address"}, {"uriTemplate", "its address"}, {"mimeType", "its type"},
}

// maxText is how much of a new look a person can be asked to read, in bytes, as
// it is with the arguments of calls: what was not shown whole can't be approved.
// keptText is what is kept of one that nobody has to approve, in runes.
const (
	maxText  = 64 << 10
	keptText = 10_000
)

// lookOf reads what counts. The same values in another order or layout look the
// same; what can't be read in one way only is taken byte for byte.
func lookOf(item Item) look {
	var object map[string]json.RawMessage
	if json.Unmarshal(item.Raw, &object) != nil || rpc.Doubled(item.Raw) {
		return readable(look{Hash: sum(item.Raw)}, string(item.Raw))
	}
	l := look{Part: map[string]string{}}
	var all, sets, text strings.Builder
	for _, m := range members {
		raw, ok := object[m.name]
		if !ok {
			continue
		}
		canonical, set, shown := canon(raw)
		fmt.Fprintf(&all, "%s\x00%s\x00", m.name, canonical)
		fmt.Fprintf(&sets, "%s\x00%s\x00", m.name, set)
		l.Part[m.name] = sum(canonical)[:12]
		if m.name != "name" {
			text.WriteString(m.name + ":\n" + shown + "\n")
		}
	}
	l.Hash, l.Set = sum([]byte(all.String())), sum([]byte(sets.String()))
	return readable(l, strings.TrimSuffix(text.String(), "\n"))
}

func readable(l look, text string) look {
	if l.Text = status.Spell(text); len(l.Text) > maxText {
		l.Text, l.Long = status.CleanLines(l.Text, keptText), true
	}
	return l
}

// canon is a value in one spelling (members sorted, no space), the same with
// what is a set sorted as well, and as it is shown.
func canon(raw json.RawMessage) (canonical, set []byte, shown string) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	_ = d.Decode(&v) // it was decoded as part of its object
	canonical = must(v)
	shown, ok := v.(string)
	if !ok {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		_ = e.Encode(v) // as above
		shown = strings.TrimSuffix(b.String(), "\n")
	}
	return canonical, must(sorted(v)), shown
}

// sorted is a value with the sets of JSON Schema in one order.
func sorted(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
	case map[string]any:
		for name, value := range v {
			value = sorted(value)
			list, isList := value.([]any)
			switch text, isText := value.(string); {
			case isList && (name == "enum" || name == "required" || name == "type" || name == "default" && (v["uniqueItems"] == true || words(list))):
				slices.SortFunc(list, func(a, b any) int { return bytes.Compare(must(a), must(b)) })
			case isText && name == "default" && listed.MatchString(text):
				parts := regexp.MustCompile(`\s*,\s*`).Split(text, -1)
				slices.Sort(parts)
				value = strings.Join(parts, ",")
			}
			v[name] = value
		}
	}
	return v
}

// listed is a set that somebody joined with commas. In prose the order counts.
var listed = regexp.MustCompile(`^[\w.:*/-]+(\s*,\s*[\w.:*/-]+)+$`)

// words reports whether a list is a set by its look: texts, none of them twice.
// The order of numbers may well mean something.
func words(list []any) bool {
	seen := map[string]bool{}
	for _, v := range list {
		text, ok := v.(string)
		if !ok || seen[text] {
			return false
		}
		seen[text] = true
	}
	return true
}

func must(v any) []byte {
	b, _ := json.Marshal(v) // it was decoded from JSON
	return b
}

func differs(old, now look) string {
	var said []string
	for _, m := range members {
		if old.Part[m.name] != now.Part[m.name] {
			said = append(said, m.words)
		}
	}
	if len(said) == 0 {
		return "what the server says of it"
	}
	return strings.Join(said, ", ")
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// key is where the record of p stands. Names may be of any length.
func (p *pin) key() string { return sum([]byte(p.Server + "\x00" + p.Kind + "\x00" + p.Name)) }
