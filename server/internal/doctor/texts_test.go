package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/assets"
)

// sample stands for what is only known when the program runs.
const sample = "x1"

// spoken is the text that an expression makes, with a sample for what is no
// literal.
func spoken(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return s
		}
	case *ast.BinaryExpr:
		return spoken(e.X) + spoken(e.Y)
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
			return regexp.MustCompile(`%[.0-9]*[a-z]`).ReplaceAllString(spoken(e.Args[0]), sample)
		}
	}
	return sample
}

// length is how far a clock is out.
var length = regexp.MustCompile(`^` + sample + ` (minutes|hours|days)$`)

// Whatever a check may say is known in Japanese: the results and cures are read
// from the code that makes them.
func TestEverySentenceIsTranslated(t *testing.T) {
	found := 0
	for _, name := range []string{"doctor.go", "servers.go", "../tunnel/front.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		var look func(ast.Node) bool
		say := func(list []ast.Expr) {
			for _, e := range list {
				text := strings.TrimPrefix(strings.TrimPrefix(spoken(e), sample+". "), "; ")
				if !strings.Contains(text, " ") || strings.HasPrefix(text, "Mozilla/") {
					ast.Inspect(e, look)
					continue
				}
				found++
				text = length.ReplaceAllString(text, "this computer's clock is $0 slow")
				if !assets.Translated("ja", text) {
					t.Errorf("%s: not in Japanese:\t%s", name, strconv.Quote(text))
				}
			}
		}
		look = func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ReturnStmt:
				say(n.Results)
			case *ast.AssignStmt:
				say(n.Rhs)
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); !ok || key.Name != "Name" {
					say([]ast.Expr{n.Value})
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); !ok || f.Name != "sentences" {
					return true
				}
				say(n.Args)
			default:
				return true
			}
			return false
		}
		ast.Inspect(file, look)
	}
	if found < 60 {
		t.Errorf("only %d texts were found", found)
	}
}

// Each check has a name in Japanese, too.
func TestEveryCheckHasAName(t *testing.T) {
	p := patient(t)
	p.Notes, p.Documents = []string{"a"}, []string{"b"}
	p.Servers = []Server{{Name: "files"}}
	for _, c := range Run(t.Context(), p) {
		if !assets.TextsFor("ja").Has("check."+c.Name) && !assets.Translated("ja", c.Name) {
			t.Errorf("%q has no name in Japanese", c.Name)
		}
	}
}
