package server

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
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
)

// sample stands for what is only known when the program runs.
const sample = "x1"

// spoken is the text that an expression makes, with a sample for what is no
// literal.
func spoken(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			s = strings.NewReplacer("client's %s", "client's key set", "There is no %s", "There is no key set", "the redirect URI %s", "the redirect URI can't be parsed").Replace(s)
			return regexp.MustCompile(`%[.0-9]*[a-z]`).ReplaceAllString(s, sample)
		}
	case *ast.BinaryExpr:
		return spoken(e.X) + spoken(e.Y)
	case *ast.CallExpr:
		if called(e) == "Sprintf" {
			return spoken(e.Args[0])
		}
	}
	return sample
}

// called is the name of the function that is called.
func called(e *ast.CallExpr) string {
	switch f := e.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// says are where a package's sentences for people stand in its code.
type says struct {
	files []string
	by    []string // the functions and fields that take them; nil for whatever is returned or assigned
}

// What doctor, the error pages and the history may say is known in Japanese: the
// sentences are read from the code that makes them.
func TestSentencesAreTranslated(t *testing.T) {
	refusals := []string{"InvalidRequest", "InvalidClient", "InvalidGrant", "InvalidScope", "InvalidTarget", "InvalidRedirectURI", "InvalidClientMetadata",
		"AccessDenied", "Telling", "badDocument", "Unavailable", "refusal", "Description", "Message", "Reason"}
	for _, s := range []says{
		{files: []string{"internal/doctor/*.go", "internal/tunnel/front.go"}},
		{files: []string{"internal/mount/unreachable.go"}},
		{files: []string{"internal/authserver/*.go", "internal/oauth/*.go"}, by: refusals},
		{files: []string{"internal/oauth/reasons.go"}, by: []string{"New"}},
		{files: []string{"internal/idp/assertion.go"}, by: []string{"badForm", "Telling", "Unavailable"}},
		{files: []string{"internal/oauth/redirect.go"}, by: []string{"bad"}},
		{files: []string{"internal/mount/*.go"}, by: []string{"text"}},
		{files: []string{"internal/serverauth/discover.go", "internal/serverauth/flow.go", "internal/serverauth/link.go"}, by: []string{"sentence", "New"}},
		{files: []string{"internal/tunnel/*.go"}, by: []string{"Msg", "Reason"}},
		{files: []string{"setup/*.go"}, by: []string{"print", "text", "askText", "askLine", "readSecret", "inTongue", "prompt"}},
		{files: []string{"internal/hub/visible.go", "internal/endpoints/servers.go"}, by: []string{"say", "append"}},
	} {
		found := 0
		for _, text := range sentencesOf(t, s) {
			found++
			if !assets.Translated("ja", text) && !assets.Translated("ja", sample+" "+text) {
				t.Errorf("%v: not in Japanese:\t%s", s.files, strconv.Quote(text))
			}
		}
		if found == 0 {
			t.Errorf("%v: no sentence was found", s.files)
		}
	}
	list := oauth.AccessList{Groups: []string{"dev"}}
	for _, unsaid := range []oauth.Unsaid{{}, {Groups: true}, {Groups: true, Overage: true}, {Groups: true, GroupsIn: []string{"roles", "wids"}}, {Groups: true, Cure: "Wait a moment, then try again."}} {
		if text := list.Check(oauth.Identity{Email: "bob@example.com", Unsaid: unsaid}).Error(); !assets.Translated("ja", text) {
			t.Errorf("not in Japanese:\t%s", strconv.Quote(text))
		}
	}
	for code := range tunnel.Codes() {
		if text := tunnel.Refusal(code).Error(); !assets.Translated("ja", text) {
			t.Errorf("not in Japanese:\t%s", strconv.Quote(text))
		}
	}
}

// length is how far a clock is out.
var length = regexp.MustCompile(`^` + sample + ` (minutes|hours|days)$`)

func sentencesOf(t *testing.T, s says) (all []string) {
	var look func(ast.Node) bool
	say := func(list []ast.Expr) {
		for _, e := range list {
			text := strings.TrimPrefix(strings.TrimPrefix(strings.Trim(spoken(e), "\n "), sample+". "), "; ")
			if words := strings.Trim(strings.ReplaceAll(text, sample, ""), " ():"); !strings.Contains(words, " ") || words == "its host" || strings.HasPrefix(text, "Mozilla/") {
				ast.Inspect(e, look)
				continue
			}
			all = append(all, length.ReplaceAllString(text, "this computer's clock is $0 slow"))
		}
	}
	look = func(n ast.Node) bool {
		name, list := "", []ast.Expr(nil)
		switch n := n.(type) {
		case *ast.ReturnStmt:
			list = n.Results
		case *ast.AssignStmt:
			if field, ok := n.Lhs[0].(*ast.SelectorExpr); ok {
				name = field.Sel.Name
			}
			list = n.Rhs
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				name = key.Name
			}
			list = []ast.Expr{n.Value}
		case *ast.CallExpr:
			if name, list = called(n), n.Args; s.by == nil && name != "sentences" {
				return true
			}
		}
		if list == nil || name == "Name" || s.by != nil && !slices.Contains(s.by, name) {
			return true
		}
		say(list)
		return false
	}
	for _, pattern := range s.files {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, look)
		}
	}
	return all
}
