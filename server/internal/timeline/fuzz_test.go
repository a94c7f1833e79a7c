package timeline

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// whats are all that can be seen, in a fixed order.
var whats = func() (list []What) {
	text, err := os.ReadFile("what.go")
	if err != nil {
		panic(err)
	}
	for _, m := range regexp.MustCompile(`What = "([^"]+)"`).FindAllSubmatch(text, -1) {
		list = append(list, What(m[1]))
	}
	slices.Sort(list)
	return list
}()

// FuzzSteps takes any sequence of steps: two bytes each, what and who. Nothing
// panics, every bound holds, and each attempt has one sentence that ends.
func FuzzSteps(f *testing.F) {
	f.Add([]byte{}, "Claude", "ana@example.com")
	var all []byte
	for i := range whats {
		all = append(all, byte(i), byte(i*37))
	}
	f.Add(all, "{client}\u202e", strings.Repeat("x", 999))
	f.Fuzz(func(t *testing.T, data []byte, name, text string) {
		if len(data) > 240 || len(text) > 1000 {
			t.Skip("long ones find nothing more, slowly")
		}
		r := newRig()
		for len(data) >= 2 {
			who := data[1]
			facts := Facts{What: whats[int(data[0])%len(whats)], Client: name, User: text, Reason: text, Host: text, Resource: text, Path: text, Version: text, Method: text, Redirect: text, Groups: strings.Split(text, "/")}
			if who&1 != 0 {
				facts.ClientID = "c" + string('0'+who>>6)
			}
			if who&2 != 0 {
				facts.Flow = "f" + string('0'+who>>6)
			}
			if who&4 != 0 {
				facts.Session = "s" + string('0'+who>>6)
			}
			r.now = r.now.Add(time.Duration(who) * time.Second)
			r.record(seen{Facts: facts, at: r.now, remote: []string{"203.0.113.7", "160.79.104.10", "", "::1"}[who>>4&3], agent: cleanAgent(text), browser: who&8 != 0})
			r.situation.Warning, r.situation.TunnelDown = who&1 != 0, strings.Repeat("d", int(who>>7))
			data = data[2:]
		}
		for _, a := range r.Attempts() {
			if a.Verdict == "" || !utf8.ValidString(a.Verdict) || utf8.RuneCountInString(a.Verdict) > 700 || strings.ContainsAny(a.Verdict, "\n\r\x1b\u202e") {
				t.Errorf("%s has the verdict %q", a.VerdictKey, a.Verdict)
			}
			if ja := Sentence("ja", "verdict."+a.VerdictKey, a.Args); ja == "" || utf8.RuneCountInString(ja) > 700 {
				t.Errorf("in Japanese: %q", ja)
			}
			if len(a.Steps) == 0 || len(a.Steps) > maxSteps {
				t.Errorf("%d steps", len(a.Steps))
			}
			for _, s := range a.Steps {
				if s.Text == "" || s.Kind == "" || utf8.RuneCountInString(s.Text) > 700 {
					t.Errorf("step %q: %q", s.Key, s.Text)
				}
			}
			if a.Last.Before(a.Started) {
				t.Error("it ends before it begins")
			}
		}
	})
}
