package config_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"read_file", "read_file", true},
		{"read_file", "read_files", false},
		{"read_file", "Read_file", false},
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"read_*", "read_", true},
		{"read_*", "xread_a", false},
		{"*_file", "write_file", true},
		{"*_file", "write_file_", false},
		{"a*b*c", "a1b2b3c", true},
		{"a*b*c", "a1c2b", false},
		{"?", "a", true},
		{"?", "", false},
		{"a?*", "a", false},
		{"file:///home/*", "file:///home/ana/x.txt", true},
		{"a.c", "abc", false},
		{"**", "a", true},
	} {
		if got := config.Match(c.pattern, c.s); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.s, got)
		}
	}
	// A pattern that a backtracking matcher would still be at next year.
	if config.Match(strings.Repeat("a*", 128), strings.Repeat("a", 100_000)+"b") != true ||
		config.Match(strings.Repeat("a*", 127)+"b", strings.Repeat("a", 100_000)) != false {
		t.Error("hostile patterns")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 100 || len(s) > 1000 {
			return
		}
		// The same in regular expressions, byte by byte.
		latin := func(s string) string {
			runes := make([]rune, len(s))
			for i := range len(s) {
				runes[i] = rune(s[i])
			}
			return string(runes)
		}
		re := regexp.QuoteMeta(latin(pattern))
		re = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(re)
		if want := regexp.MustCompile(`(?s)^` + re + `$`).MatchString(latin(s)); config.Match(pattern, s) != want {
			t.Errorf("Match(%q, %q) = %v", pattern, s, !want)
		}
	})
}
