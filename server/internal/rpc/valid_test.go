package rpc

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// seeds are JSON and what is nearly JSON.
var seeds = []string{
	``, ` `, `{}`, `[]`, ` { "a" : [ 1 , -0.5e+3, 0, "x\u00e9\n\\" ] , "b":{"c":null}} `, `{"a":1,}`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`,
	`01`, `-`, `1.`, `.5`, `1e`, `1e+`, `-0`, `1E5`, `+1`, `0x1`, `tru`, `true`, `nulll`, `false `, `"a`, `"\x"`, `"\u12"`, `"\u12G4"`, "\"\t\"", "\"\x7f\xff\"", `"\`, `{} {}`,
	`[}`, `{]`, `[[[]]]`, "\ufeff{}", "\f1", strings.Repeat("[", 100) + strings.Repeat("]", 100),
	strings.Repeat("[", maxNesting) + strings.Repeat("]", maxNesting), strings.Repeat(`{"":`, maxNesting+1) + "1" + strings.Repeat("}", maxNesting+1),
}

func TestValid(t *testing.T) {
	for _, s := range seeds {
		if got, want := Valid([]byte(s)), json.Valid([]byte(s)); got != want {
			t.Errorf("%.50q: %t, want %t", s, got, want)
		}
	}
}

// It takes for JSON what encoding/json does, and finds what Members does.
func FuzzValid(f *testing.F) {
	for _, s := range seeds[:len(seeds)-2] {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := Valid(b), json.Valid(b); got != want {
			t.Errorf("%q: %t, want %t", b, got, want)
		}
		outer, within, nulls, ok := Read(b, "a")
		if want := json.Valid(b) && IsObject(b); ok != want {
			t.Errorf("%q is read: %t, want %t", b, ok, want)
		}
		if !ok {
			return
		}
		same(t, outer, ObjectOf(b))
		same(t, within, ObjectOf(Get(b, "a")))
		var v any
		if _ = json.Unmarshal(b, &v); nulls != hasNull(v) && !Doubled(b) {
			t.Errorf("%q has nulls: %t", b, nulls)
		}
		if raw := outer.Raw(); !json.Valid(raw) {
			t.Errorf("%q becomes %q", b, raw)
		}
	})
}

func same(t *testing.T, a, b Object) {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		t.Fatalf("%d and %d members", len(a), len(b))
	}
	for i := range a {
		if string(a[i].Name) != string(b[i].Name) || string(a[i].Value) != string(b[i].Value) || string(a[i].text) != string(b[i].text) {
			t.Errorf("%q and %q", a[i].text, b[i].text)
		}
	}
}

func hasNull(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, hasNull)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), hasNull)
	}
	return v == nil
}

func TestObject(t *testing.T) {
	o := ObjectOf(json.RawMessage(` { "a" : 1 , "b\u0062":"x" , "a":[2 ] } `))
	long := json.RawMessage(`"` + strings.Repeat("x", longMember) + `"`)
	for _, c := range []struct{ got, want string }{
		{string(o.Raw()), `{ "a" : 1 , "b\u0062":"x" , "a":[2 ] }`},
		{string(o.Get("a")), `[2 ]`}, {string(o.Get("bb")), `"x"`}, {string(o.Get("c")), ``},
		{string(o.With("a", json.RawMessage("3")).Raw()), `{ "a" : 1 , "b\u0062":"x" ,"a":3}`},
		{string(o.With("c", long).Raw()), `{"c":` + string(long) + `, "a" : 1 , "b\u0062":"x" , "a":[2 ] }`},
		{string(o.Without(func(m Member) bool { return string(m.Name) == "a" }).Raw()), `{ "b\u0062":"x" }`},
		{string(o.Raw()), `{ "a" : 1 , "b\u0062":"x" , "a":[2 ] }`}, // which none of these changed
		{string(Object{}.Raw()), `{}`},
		{string(bytes.Join(Object{}.With("a", long).Between("<", ">"), nil)), `<{"a":` + string(long) + `}>`},
	} {
		if c.got != c.want {
			t.Errorf("%.60q, want %.60q", c.got, c.want)
		}
	}
	if ObjectOf(json.RawMessage(`[1]`)) != nil || ObjectOf(nil) != nil {
		t.Error("what is no object has members")
	}
}
