package rpc

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestGet(t *testing.T) {
	object := json.RawMessage(` { "a" : 1 , "b\u0062":"x\\\"y", "c":{"a":[1,{"a":2}]}, "d":null,"e":"", "a":-2.5e3 } `)
	for name, want := range map[string]string{
		"a": `-2.5e3`, "bb": `"x\\\"y"`, "c": `{"a":[1,{"a":2}]}`, "d": `null`, "e": `""`, "A": ``, "f": ``,
	} {
		if got := Get(object, name); string(got) != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if text, ok := String(Get(object, "bb")); !ok || text != `x\"y` {
		t.Errorf("%q %t", text, ok)
	}
	for _, none := range []string{``, `[]`, `[{"a":1}]`, `1`, `"a"`, `null`, `{`, `{"a"`, `{"a":`, `{"a`, `{"a\`} {
		if got := Get(json.RawMessage(none), "a"); got != nil {
			t.Errorf("%s has %s", none, got)
		}
	}
}

func TestSet(t *testing.T) {
	for _, c := range [][3]string{
		{`{}`, `9`, `{"a":9}`},
		{` { } `, `9`, `{"a":9 } `},
		{``, `9`, `{"a":9}`},
		{`null`, `9`, `{"a":9}`},
		{`{"b":1.0}`, `9`, `{"a":9,"b":1.0}`},
		{`{"b":[ 1 ],"a" : {"x":2} ,"c":3}`, `{"y":1}`, `{"b":[ 1 ],"a" : {"y":1} ,"c":3}`},
	} {
		if got := Set(json.RawMessage(c[0]), "a", json.RawMessage(c[1])); string(got) != c[2] {
			t.Errorf("%s gives %s, want %s", c[0], got, c[2])
		}
	}
}

func TestDropNulls(t *testing.T) {
	for object, want := range map[string]string{
		`{"a":null}`: `{}`, ` { "a" : null , "b":1.0,"c": null }`: `{"b":1.0}`, `{"a":{"b":null},"c":[null],"d":"null"}`: `{"a":{"b":null},"c":[null],"d":"null"}`,
		`{"a":1, "b\u0062" : "x" ,"n":null}`: `{"a":1,"b\u0062" : "x"}`, `null`: `null`, `{}`: `{}`,
	} {
		if got := DropNulls(json.RawMessage(object)); string(got) != want {
			t.Errorf("%s gives %s, want %s", object, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	if got := OneLine(json.RawMessage("{\r\n\"a\":\n\"x\\n\"}")); string(got) != `{  "a": "x\n"}` {
		t.Errorf("%q", got)
	}
}

// It handles every valid object as encoding/json does, and no bytes at all
// make it panic.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":{"b":[{},"\"}"]},"\u0061":2}`, `{`, `{"a":"\`, `{"a" :tru`, `{"":[}`, `[]`, "{\"\\ud800\":0}", `{"a":"\\"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found := map[string]json.RawMessage{}
		for name, value := range Members(b) {
			found[string(name)] = value
		}
		if kept := DropNulls(b); json.Valid(b) && IsObject(b) {
			var left, all map[string]json.RawMessage
			if err := json.Unmarshal(kept, &left); err != nil {
				t.Fatalf("%q becomes %q: %v", b, kept, err)
			}
			_ = json.Unmarshal(b, &all)
			for name, value := range all {
				// Of a name twice, once null, the other is left.
				if string(value) != "null" && !bytes.Equal(left[name], value) {
					t.Errorf("%q loses %q: %q", b, name, kept)
				}
			}
		}
		set := Set(b, "a", json.RawMessage(`[7]`))
		var want map[string]json.RawMessage
		if !json.Valid(b) || json.Unmarshal(b, &want) != nil || want == nil {
			return
		}
		if !bytes.Equal(b, bytes.ToValidUTF8(b, nil)) {
			return // encoding/json replaces what is no UTF-8; such a message never gets here
		}
		if len(found) != len(want) {
			t.Fatalf("%d members of %q, want %d", len(found), b, len(want))
		}
		for name, value := range want {
			if !bytes.Equal(found[name], value) {
				t.Errorf("%q of %q is %q, want %q", name, b, found[name], value)
			}
		}
		if !json.Valid(set) || string(Get(set, "a")) != `[7]` {
			t.Errorf("set %q gives %q", b, set)
		}
		if !json.Valid(OneLine(b)) {
			t.Errorf("one line of %q", b)
		}
	})
}
