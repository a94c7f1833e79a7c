package wizard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
)

// sentenceLike is what a person could be shown: it begins as a sentence does,
// and ends as one, or with an address.
var sentenceLike = regexp.MustCompile(`^([A-Z]|\{[Nn]ame\}|\{who\}|\{host\}|\{redirect\}).* .*(\.|\{redirect\}|/domains|/your-authtoken|bridge\.example\.com|\.\*)$`)

// sentencesIn are the literals of a package that are shown to people.
func sentencesIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && sentenceLike.MatchString(s) {
					all = append(all, s)
				}
			}
			return true
		})
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Whatever Setup may say is known in Japanese, with the same words in it.
func TestEverySentenceIsTranslated(t *testing.T) {
	all := append(sentencesIn(t, "."), sentencesIn(t, "../idp")...)
	all = append(all, sentencesIn(t, "../outbound")...)
	for code := range tunnel.Codes() {
		all = append(all, FromTunnel(tunnel.Refusal(code)).Sentence.Text)
	}
	if len(all) < 150 {
		t.Errorf("only %d sentences were found", len(all))
	}
	for _, en := range all { // who is in Setup mends it there
		if strings.Contains(en, "config.toml") || strings.Contains(en, "drawbridge setup") || strings.Contains(en, "tunnel retry") || regexp.MustCompile(`\[[a-z]+\]`).MatchString(en) {
			t.Errorf("sends people away from Setup: %q", en)
		}
	}
	word := regexp.MustCompile(`\{\w+\}`)
	for _, en := range all {
		if !assets.Translated("ja", en) {
			t.Errorf("not in Japanese:\t%s", strconv.Quote(en))
			continue
		}
		for _, w := range word.FindAllString(assets.Translate("ja", en), -1) {
			if !strings.Contains(en, w) && w != "{Name}" && w != "{name}" {
				t.Errorf("%s is not a word of %q", w, en)
			}
		}
	}
}
