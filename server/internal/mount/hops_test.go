//go:build unix

package mount

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// A request says what it has passed: here before, or too much, it is refused; what
// is no name in it is nothing.
func TestPass(t *testing.T) {
	s := newSet(Options{Issuer: "https://b.example.com"}, quick)
	defer s.Close()
	a, c := hopOf("https://a.example.com"), hopOf("https://c.example.com")
	many := slices.Repeat([]string{a}, maxHops+1)
	for _, test := range []struct {
		via   string
		err   error
		reach string
		next  string
	}{
		{"", nil, "", s.hop},
		{"x, <script>, " + strings.Repeat("A", 10000), nil, "", s.hop},
		{a, nil, s.hop, a + "," + s.hop},
		{a + ",junk," + c, nil, s.hop, a + "," + c + "," + s.hop},
		{a + "," + s.hop, errLoop, "", ""},
		{strings.Join(many, ","), errFar, "", ""},
		{strings.Join(slices.Repeat(many, 1000), ","), errFar, "", ""},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/mcp", nil)
		r.Header.Set(viaHeader, test.via)
		passed, err := s.Pass(w, r)
		if err != test.err || w.Header().Get(reachHeader) != test.reach {
			t.Errorf("%.40q: %v, reaches %q", test.via, err, w.Header().Get(reachHeader))
		}
		if err == nil && s.via(passed.Context()) != test.next {
			t.Errorf("%.40q is passed on as %q", test.via, s.via(passed.Context()))
		}
	}
	if s.via(context.Background()) != s.hop {
		t.Error("what we ask ourselves does not name us")
	}
	one := &server{set: s}
	if f := one.reaches(http.Header{reachHeader: {a + "," + s.hop}}); f == nil || one.reach != nil {
		t.Error("a server that leads back here is taken")
	}
	if f := one.reaches(http.Header{reachHeader: {a + "," + c}}); f != nil || !slices.Equal(one.reach, []string{a, c}) {
		t.Errorf("another is not: %v", f)
	}
}
