package mount

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/mend"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// maxOdd bounds what is said about the items of one server.
const maxOdd = 50

// menders mend the items of the lists, by method.
var menders = map[string]struct {
	kind string
	of   func(json.RawMessage) (json.RawMessage, []string, bool)
}{
	"tools/list": {"tool", mend.Tool}, "prompts/list": {"prompt", mend.Prompt},
	"resources/list": {"resource", mend.Resource}, "resources/templates/list": {"resource template", mend.Template},
}

// mend returns an item as clients take it, and its name; ok is false if none
// would.
func (l *lister) mend(method, key string, raw json.RawMessage) (mended json.RawMessage, name string, ok bool) {
	m := menders[method]
	mended, notes, ok := m.of(raw)
	var o object
	if json.Unmarshal(raw, &o) == nil {
		_ = json.Unmarshal(o[key], &name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, note := range notes {
		l.odd = append(l.odd, fmt.Sprintf("%s %q: %s", m.kind, status.Clean(name, 100), status.Clean(note, 200)))
	}
	return mended, name, ok
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
