package hub

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Objects are taken apart by exact key, and put together again before they are
// sent on: encoding/json matches struct fields whatever the case, so a second
// "Name" could be checked here and "name" be used there.

type object map[string]json.RawMessage

// fields takes an object apart; nil if raw, which is valid JSON, is none.
func fields(raw json.RawMessage) object {
	if !rpc.IsObject(raw) {
		return nil
	}
	o := object{}
	for name, value := range rpc.Members(raw) {
		o[string(name)] = value
	}
	return o
}

// encode puts an object together, its values byte for byte.
func encode(o object) json.RawMessage {
	size := 2
	for k, v := range o {
		size += len(k) + len(v) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, k := range slices.Sorted(maps.Keys(o)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, rpc.Quote(k)...)
		b = append(b, ':')
		b = append(b, o[k]...)
	}
	return append(b, '}')
}

func (o object) text(key string) (string, bool) { return rpc.String(o[key]) }

// has reports whether raw says something else than null.
func has(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
