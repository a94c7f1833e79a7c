package pins

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// look is what a model and a client see of something.
type look struct {
	Hash string            `json:"hash"`
	Text string            `json:"text"`           // for a person to compare
	Part map[string]string `json:"part,omitempty"` // a hash of each member, to say which one changed
}

// members are those that tell a model or a client what something is and does,
// with the words in which a person reads of them. Icons and _meta may change.
var members = []struct{ name, words string }{
	{"title", "its title"}, {"description", "its description"}, {"inputSchema", "what it takes"}, {"outputSchema", "what it returns"},
	{"annotations", "what it says of itself (annotations)"}, {"arguments", "what it takes"},
	{"name", "its name"}, {"uri", "its address"}, {"uriTemplate", "its address"}, {"mimeType", "its type"},
}

// The most of a look that is kept, in runes: of each member, and in all.
const (
	maxPart = 4000
	maxText = 10_000
)

// lookOf reads what counts. The same values in another order or layout look the
// same; what can't be read in one way only is taken byte for byte.
func lookOf(item Item) look {
	var object map[string]json.RawMessage
	if json.Unmarshal(item.Raw, &object) != nil || ambiguous(item.Raw) {
		return look{Hash: sum(item.Raw), Text: status.CleanLines(string(item.Raw), maxText)}
	}
	l := look{Part: map[string]string{}}
	var all bytes.Buffer
	var text strings.Builder
	for _, m := range members {
		raw, ok := object[m.name]
		if !ok {
			continue
		}
		canonical, shown := canon(raw)
		all.WriteString(m.name + "\x00")
		all.Write(canonical)
		all.WriteByte(0)
		l.Part[m.name] = sum(canonical)[:12]
		if m.name != "name" {
			text.WriteString(m.name + ":\n" + status.CleanLines(shown, maxPart) + "\n")
		}
	}
	l.Hash, l.Text = sum(all.Bytes()), status.CleanLines(strings.TrimSuffix(text.String(), "\n"), maxText)
	return l
}

// canon is a value in one spelling (sorted, no space), and as it is shown.
func canon(raw json.RawMessage) (canonical []byte, shown string) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return raw, string(raw)
	}
	canonical, err := json.Marshal(v)
	if err != nil {
		return raw, string(raw)
	}
	if s, ok := v.(string); ok {
		return canonical, s
	}
	indented, _ := json.MarshalIndent(v, "", "  ")
	return canonical, string(indented)
}

// ambiguous reports whether an object of raw has a member twice: of two readers
// each may see another one.
func ambiguous(raw json.RawMessage) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	type level struct {
		names map[string]bool // nil in a list
		value bool            // a value comes next, not a name
	}
	var open []*level
	for {
		token, err := d.Token()
		if err != nil {
			return err != io.EOF
		}
		var in *level
		if len(open) > 0 {
			in = open[len(open)-1]
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if in != nil && in.names != nil && !in.value {
			name := token.(string)
			if in.names[name] {
				return true
			}
			in.names[name], in.value = true, true
			continue
		}
		if in != nil {
			in.value = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, &level{})
		}
	}
}

// differs says in words what is not the same.
func differs(old, now look) string {
	var said []string
	for _, m := range members {
		if old.Part[m.name] != now.Part[m.name] && (len(said) == 0 || said[len(said)-1] != m.words) {
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
