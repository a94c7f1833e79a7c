package rpc

import (
	"encoding/json"
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

// It takes for JSON what encoding/json does.
func FuzzValid(f *testing.F) {
	for _, s := range seeds[:len(seeds)-2] {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := Valid(b), json.Valid(b); got != want {
			t.Errorf("%q: %t, want %t", b, got, want)
		}
	})
}
