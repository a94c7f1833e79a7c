package assets

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write the golden files anew")

// consent is what Claude on the web shows, with change applied.
func consent(change func(*ConsentPage)) ConsentPage {
	p := ConsentPage{
		ClientName:  "Claude",
		ClientHost:  "claude.ai",
		RedirectURI: "https://claude.ai/api/mcp/auth_callback",
		ClientKind:  "dcr",
		ClientID:    "a-registration",
		Scopes:      []string{"openid", "profile", "email", "offline_access"},
		Provider:    "dev-123.okta.com",
		ServerName:  "name.ngrok.app",
		MCPURL:      "https://name.ngrok.app/mcp",
		Flow:        "flow-1",
		CSRF:        "csrf-1",
		MayRemember: true,
	}
	if change != nil {
		change(&p)
	}
	return p
}

func asCIMD(p *ConsentPage) {
	p.ClientKind, p.ClientID = "cimd", "https://claude.com/oauth/client.json"
}

func onLoopback(p *ConsentPage) {
	p.ClientHost, p.RedirectURI = "localhost", "http://localhost:53123/callback"
	p.Loopback, p.MayRemember = true, false
}

func inApp(p *ConsentPage) {
	p.ClientName, p.ClientHost = "Cursor", "anysphere.cursor-mcp"
	p.RedirectURI = "cursor://anysphere.cursor-mcp/oauth/callback"
}

type page struct {
	name  string
	write func(io.Writer) error
}

func consentPage(name string, change func(*ConsentPage)) page {
	return page{name, func(w io.Writer) error { return Consent(w, consent(change)) }}
}

// everyPage is each page in each of its shapes.
var everyPage = []page{
	consentPage("consent-dcr", nil),
	consentPage("consent-cimd", asCIMD),
	consentPage("consent-cimd-loopback", func(p *ConsentPage) { asCIMD(p); onLoopback(p) }),
	consentPage("consent-dcr-loopback", onLoopback),
	consentPage("consent-app-link", inApp),
	consentPage("consent-static", func(p *ConsentPage) { p.ClientKind = "static" }),
	consentPage("consent-bare", func(p *ConsentPage) { *p = ConsentPage{} }),
	consentPage("consent-hostile", func(p *ConsentPage) {
		p.ClientName, p.ServerName = hostile[0], hostile[1]
		p.Scopes = append(hostile, p.Scopes...)
	}),
	{"error", func(w io.Writer) error {
		return Error(w, ErrorPage{
			Title:      "Okta refused the sign-in",
			What:       "The provider did not accept Drawbridge’s client secret.",
			Do:         "Check the client secret in Settings, then connect again.",
			EventID:    "ev-8fj2k1",
			ServerName: "name.ngrok.app",
		})
	}},
	{"error-bare", func(w io.Writer) error { return Error(w, ErrorPage{}) }},
	{"index", func(w io.Writer) error {
		return Index(w, IndexPage{MCPURL: "https://name.ngrok.app/mcp", ServerName: "name.ngrok.app"})
	}},
	{"index-bare", func(w io.Writer) error { return Index(w, IndexPage{}) }},
}

func render(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPagesMatchGolden(t *testing.T) {
	for _, p := range everyPage {
		t.Run(p.name, func(t *testing.T) {
			// The stylesheet has its own test; a golden file is for the words.
			got := strings.Replace(render(t, p.write), style, "…", 1)
			file := filepath.Join("testdata", p.name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; look at the page, then run with -update. Got:\n%s", file, got)
			}
		})
	}
}

// A browser compares the policy with the text it parsed, so this does too.
func TestStyleHashIsOfTheParsedStyle(t *testing.T) {
	for _, p := range everyPage {
		styles := find(parse(t, render(t, p.write)), "style")
		if len(styles) != 1 {
			t.Fatalf("%s: %d style elements, want 1", p.name, len(styles))
		}
		if got := hashOf(textOf(styles[0])); got != StyleHash {
			t.Errorf("%s: style hashes to %s, StyleHash is %s", p.name, got, StyleHash)
		}
	}
}

// The policy that callers send allows nothing but the stylesheet: anything
// else would be a hole in the page or a hole in the policy.
func TestPagesNeedNothingElse(t *testing.T) {
	for _, word := range []string{"url(", "@import", "@font-face", "expression("} {
		if strings.Contains(style, word) {
			t.Errorf("the stylesheet contains %s", word)
		}
	}
	for _, p := range everyPage {
		for _, n := range find(parse(t, render(t, p.write)), "") {
			switch n.Data {
			case "script", "link", "img", "iframe", "object", "embed", "base", "a", "use", "image":
				t.Errorf("%s: has <%s>", p.name, n.Data)
			}
			for _, a := range n.Attr {
				switch {
				case a.Key == "style", strings.HasPrefix(a.Key, "on"):
					t.Errorf("%s: <%s> has %s", p.name, n.Data, a.Key)
				case a.Key == "action" && a.Val == "/consent":
				case a.Key == "href", a.Key == "src", a.Key == "action", a.Key == "formaction", a.Key == "http-equiv", a.Key == "xlink:href":
					t.Errorf("%s: <%s> has %s=%q", p.name, n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func TestPagesTellTheirLanguageAndOutline(t *testing.T) {
	for _, p := range everyPage {
		doc := parse(t, render(t, p.write))
		if lang := attr(find(doc, "html")[0], "lang"); lang != "en" {
			t.Errorf("%s: lang=%q", p.name, lang)
		}
		for _, tag := range []string{"title", "main", "h1"} {
			if n := len(find(doc, tag)); n != 1 {
				t.Errorf("%s: %d <%s>, want 1", p.name, n, tag)
			}
		}
	}
}

func TestBannerDoesNotSayDrawbridgeTwice(t *testing.T) {
	doc := parse(t, render(t, func(w io.Writer) error { return Index(w, IndexPage{ServerName: "Drawbridge"}) }))
	if got := strings.TrimSpace(textOf(find(doc, "header")[0])); got != "Drawbridge" {
		t.Errorf("the banner says %q", got)
	}
}

func TestIndexHoldsTheAddressToCopy(t *testing.T) {
	const mcp = "https://name.ngrok.app/mcp"
	doc := parse(t, render(t, func(w io.Writer) error { return Index(w, IndexPage{MCPURL: mcp}) }))
	field := find(doc, "textarea")[0]
	if textOf(field) != mcp || !has(field, "readonly") {
		t.Errorf("field holds %q, readonly %v", textOf(field), has(field, "readonly"))
	}
	if label := find(doc, "label")[0]; attr(label, "for") != attr(field, "id") {
		t.Error("the field has no label")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestErrorsOfTheWriterComeBack(t *testing.T) {
	if err := Consent(brokenWriter{}, consent(nil)); err != io.ErrClosedPipe {
		t.Errorf("got %v", err)
	}
}

// Every page is Japanese for who prefers that, in all that is ours: with the
// same elements, and the same values of others.
func TestPagesInJapanese(t *testing.T) {
	for name, change := range map[string]func(*ConsentPage){"cimd": asCIMD, "dcr": nil, "loopback": onLoopback, "app link": inApp, "bare": func(p *ConsentPage) { *p = ConsentPage{} },
		"braces": func(p *ConsentPage) {
			p.ClientName, p.ServerName, p.Scopes = "{server}", "{address}", []string{"{count}"}
		}} {
		page := func(lang string) string {
			p := consent(change)
			p.Lang = lang
			return render(t, func(w io.Writer) error { return Consent(w, p) })
		}
		english, japanese := parse(t, page("")), parse(t, page("ja-JP,en;q=0.5"))
		if attr(find(japanese, "html")[0], "lang") != "ja" || len(find(english, "")) != len(find(japanese, "")) {
			t.Errorf("%s: other elements, or another language", name)
		}
		values := func(n *html.Node) (list []string) {
			for _, b := range find(n, "bdi") {
				list = append(list, textOf(b))
			}
			slices.Sort(list)
			return list
		}
		if !slices.Equal(values(english), values(japanese)) {
			t.Errorf("%s: %q, in Japanese %q", name, values(english), values(japanese))
		}
		for _, tag := range []string{"title", "h1", "strong", "dt", "button", "li", "label"} {
			for _, n := range find(japanese, tag) {
				if !strings.ContainsFunc(textOf(n), func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) }) {
					t.Errorf("%s: <%s> is %q", name, tag, textOf(n))
				}
			}
		}
	}
	for what, lang := range map[string]string{"bob@example.com is not on the access list.": "", "Something new.": "en"} {
		failed := parse(t, render(t, func(w io.Writer) error {
			return Error(w, ErrorPage{Lang: "ja", Title: "This sign-in can't go on", What: what, Do: "Start again from your client."})
		}))
		if got := textOf(find(failed, "h1")[0]); got != "このサインインを続行できません" || attr(find(failed, "p")[1], "lang") != lang {
			t.Errorf("the error page is titled %q, and %q is in %q", got, what, attr(find(failed, "p")[1], "lang"))
		}
	}
}
