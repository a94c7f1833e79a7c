package assets

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var verb = regexp.MustCompile(`%(\[\d+\])?[a-z]`)

// Every sentence is there in every language and takes the same arguments.
func TestTextsInEveryLanguage(t *testing.T) {
	for _, lang := range Languages {
		for _, other := range Languages {
			for key, sentence := range catalogue[lang].say {
				translated, ok := catalogue[other].say[key]
				if !ok {
					t.Errorf("%q is there in %s and not in %s", key, lang, other)
					continue
				}
				got, want := verb.FindAllString(translated, -1), verb.FindAllString(sentence, -1)
				if !slices.Equal(got, want) || strings.TrimSpace(translated) == "" {
					t.Errorf("%q takes %v in %s, and %v in %s", key, want, lang, got, other)
				}
				if strings.Count(translated, "`") != strings.Count(sentence, "`") {
					t.Errorf("%q has other code in %s than in %s", key, lang, other)
				}
			}
		}
	}
}

// Every sentence is said somewhere: in a template or in code, by its whole key
// or by a key that is put together.
func TestTextsAreSaid(t *testing.T) {
	var sources strings.Builder
	for _, dir := range []string{".", "../server/internal/console", "../server/cli", "../server/control", "../server/demo", "../tray"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && (strings.HasSuffix(path, ".html") || strings.HasSuffix(path, ".go")) && !strings.HasSuffix(path, "_test.go") {
				b, _ := os.ReadFile(path)
				sources.Write(b)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	said := sources.String()
	for key := range catalogue["en"].say {
		whole := strings.TrimSuffix(key, ".one")
		start := whole[:strings.LastIndex(whole, ".")+1]
		if strings.HasSuffix(whole, ".title") {
			start = ".title"
		}
		if strings.Contains(said, `"`+whole+`"`) || start != "" && strings.Contains(said, `"`+start+`"`) || grouped(said, start) {
			continue
		}
		t.Errorf("nobody says %q", key)
	}
}

// grouped reports whether keys that begin like start are put together of two
// words: "state." and "tunnel.", "event." and "tool.".
func grouped(said, start string) bool {
	first, _, more := strings.Cut(strings.TrimSuffix(start, "."), ".")
	return more && strings.Contains(said, `"`+first+`."`)
}

func TestTextsFor(t *testing.T) {
	for accept, want := range map[string]string{
		"": "en", "ja": "ja", "ja-JP": "ja", "JA": "ja", "en-GB,ja;q=0.9": "en", "fr,ja;q=0.1": "ja", "de": "en",
		"ja;q=0.5, en;q=0.6": "en", "ja; q=0.6, en;q=0.5": "ja", "ja;q=0": "en", "ja;q=7,en": "en", "ja;q=x,en;q=0.1": "en", "*": "en",
		strings.Repeat("xx,", 1000) + "ja": "en",
	} {
		if got := TextsFor(accept).Lang; got != want {
			t.Errorf("%.40q: %s, want %s", accept, got, want)
		}
	}
}

func FuzzTextsFor(f *testing.F) {
	f.Add("en-GB,en;q=0.9,ja;q=0.8")
	f.Add("ja;q=NaN,*;q=;")
	f.Fuzz(func(t *testing.T, accept string) {
		if lang := TextsFor(accept).Lang; !slices.Contains(Languages, lang) {
			t.Errorf("%q: %q", accept, lang)
		}
	})
}

func FuzzBlock(f *testing.F) {
	f.Add("{\n  \"a\": 1\n}\r\n")
	f.Add(strings.Repeat(" ", 100) + "x\u202e\x1b\n\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		got := Block(s)
		if n := len([]rune(got)); n > 2*maxBlock {
			t.Errorf("%d characters", n)
		}
		for line := range strings.Lines(got) {
			line = strings.TrimSuffix(line, "\n")
			if rest := strings.TrimLeft(line, " "); rest != plain(rest, maxBlock) {
				t.Errorf("%q is not plain", line)
			}
		}
	})
}

func TestRich(t *testing.T) {
	for in, want := range map[string]string{
		"run `drawbridge setup`.": `run <code translate="no">drawbridge setup</code>.`,
		"<b>`<i>`</b>":            `&lt;b&gt;<code translate="no">&lt;i&gt;</code>&lt;/b&gt;`,
		"one ` alone":             "one ` alone",
		"``":                      `<code translate="no"></code>`,
		`"'&`:                     "&#34;&#39;&amp;",
	} {
		if got := string(rich(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
