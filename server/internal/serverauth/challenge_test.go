package serverauth

import (
	"strings"
	"testing"
)

func FuzzChallenge(f *testing.F) {
	for _, seed := range []string{
		`Bearer`, `Bearer realm="a", error="invalid_token"`, `Basic realm="x", Bearer resource_metadata="https://a/b", scope="a b"`,
		`Negotiate abc==, Basic realm=x`, `Bearer a="\"`, `,,==;`, `Bearer a = "b\"c"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for scheme, params := range Challenges([]string{value}) {
			if scheme == "" || strings.ContainsAny(scheme, "\" ,=") {
				t.Fatalf("scheme %q", scheme)
			}
			for name := range params {
				if name == "" || strings.ContainsAny(name, "\" ,=") {
					t.Fatalf("parameter %q", name)
				}
			}
		}
	})
}

func TestChallenge(t *testing.T) {
	found := Challenges([]string{`Basic realm="a, b=c", bearer Error = "in\"valid" , scope=x`, "Negotiate abc=="})
	if found["negotiate"] == nil || found["basic"]["realm"] != "a, b=c" || found["bearer"]["error"] != `in"valid` || found["bearer"]["scope"] != "x" {
		t.Errorf("got %+v", found)
	}
}
