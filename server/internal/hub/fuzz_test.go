package hub

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"A":{"b":[]}}`, `{"a":"<\u2028>","b":null}`, `{"":"\\\""}`, `[]`, `null`, `{"a":1,"a":2}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) {
			return
		}
		o := fields(json.RawMessage(s))
		if o == nil {
			return
		}
		again := fields(encode(o))
		if len(again) != len(o) {
			t.Fatalf("%q became %q", s, encode(o))
		}
		for k, v := range o {
			if string(again[k]) != string(v) {
				t.Errorf("%q: %q was %q", k, again[k], v)
			}
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("a", "read", "b", "read")
	f.Add("a", "_x", "a_", "x")
	f.Add("a__b", "c", "a", "b__c")
	f.Add("ä", "", "é", "\x00")
	f.Add("a___b", "c", "a", "b-1__c")
	f.Fuzz(func(t *testing.T, s1, t1, s2, t2 string) {
		if s1 == s2 {
			s2 += "'"
		}
		x := newIndex([]mounted{{server: s1, cat: offering2(t1, t2)}, {server: s2, cat: offering2(t2, t1)}}, own{}.List(), false)
		if p := prefix(s1); strings.Contains(p, separator) || strings.HasSuffix(p, "_") || p == prefix(s2) {
			t.Errorf("prefix %q of %q", p, s1)
		}
		seen := map[string]bool{}
		for _, th := range x.kinds[kindTool].list {
			if n := len(th.listed); n == 0 || n > maxName || fit(th.listed, maxName) != th.listed || seen[th.listed] {
				t.Errorf("%q of %q is listed as %q", th.name, th.server, th.listed)
			}
			seen[th.listed] = true
			if x.kinds[kindTool].byName[th.listed] != th || (th.server != Own && x.kinds[kindTool].byName[th.always] != th) {
				t.Errorf("%q of %q: %q, %q lead elsewhere", th.name, th.server, th.listed, th.always)
			}
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"file:///{path}", "x://{+a}/{b*}{?c,d}", "{", "}", "{}", "x{a", "((", strings.Repeat("{a}", 600)} {
		f.Add(s, "file:///x")
	}
	f.Fuzz(func(t *testing.T, template, uri string) {
		if re := templatePattern(template); re != nil {
			re.MatchString(uri)
		}
	})
}
