// Package assets holds what a person sees: the pages shown during sign-in,
// the console's, their stylesheets, the texts in each language, and the icon.
//
// It sets no header and no status, decides nothing, and trusts no value it is
// given: whatever a client, a provider or a request chose is shown as text,
// apart from our own words, and cannot widen the page or reorder it.
//
// Start at [Consent], and at [Console] for the pages that its owner sees.
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
)

// Icons are rendered from the SVG files beside them: see icons/render.sh.
//
//go:embed console icon.svg icons/rendered pages texts
var files embed.FS

// colours are those of the sign-in pages and of the console alike.
var colours = string(file("pages/colours.css"))

var style = colours + "\n" + string(file("pages/style.css"))

// StyleHash is the source expression, quotes included, that allows the pages'
// one <style> element in a Content-Security-Policy's style-src (CSP Level 3
// §2.3.1). The pages need nothing else but form-action.
var StyleHash = hashOf(style)

// pages are the templates in each language.
var pages = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, lang := range Languages {
		all[lang] = template.Must(template.New("").Funcs(pageFunctions(lang)).ParseFS(files, "pages/*.html"))
	}
	return all
}()

// pageFunctions are those of the templates of pages in one language.
func pageFunctions(lang string) template.FuncMap {
	bdi := func(class, s string) template.HTML {
		if class != "" {
			class = ` class="` + class + `"`
		}
		return template.HTML("<bdi" + class + ` translate="no">` + template.HTMLEscapeString(s) + "</bdi>")
	}
	return template.FuncMap{
		"style":   func() template.CSS { return template.CSS(style) },
		"lang":    func() string { return lang },
		"name":    Name,
		"text":    func(s string) string { return plain(s, maxText) },
		"address": address,
		"bdi":     bdi,
		"quoted":  func(s string) template.HTML { return bdi("", "“"+s+"”") },
		"server": func(s string) template.HTML {
			if s = Name(s); s != "" {
				return bdi("", s)
			}
			return "Drawbridge"
		},
		"tongue": func(s string) string { // "" where it is the page's own
			if Translated(lang, s) {
				return ""
			}
			return Languages[0]
		},
		"t": func(text string, with ...any) template.HTML { return translated(lang, text, with) },
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// translated is text in a language, with its {words}, in the order of the
// English text, replaced by what is given.
func translated(lang, text string, with []any) template.HTML {
	words := placeholder.FindAllString(text, -1)
	said := template.HTMLEscapeString(Translate(lang, text))
	return template.HTML(placeholder.ReplaceAllStringFunc(said, func(word string) string {
		i := slices.Index(words, word)
		if i < 0 || i >= len(with) {
			return word
		}
		if ready, ok := with[i].(template.HTML); ok {
			return string(ready)
		}
		return template.HTMLEscapeString(fmt.Sprint(with[i]))
	}))
}

// ErrorPage is what [Error] shows.
type ErrorPage struct {
	Title      string // a few words: "Sign-in was refused"
	Page       string // what a browser calls the page; "": that something went wrong
	What       string // what happened, in sentences
	Do         string // what the person can do now; "" leaves it out
	Console    string // path of the console's page to go back to; "" leaves it out
	EventID    string // finds the event in Drawbridge's history; "" leaves it out
	ServerName string // shown beside our own name; "" and "Drawbridge" are left out
	Lang       string // an Accept-Language header
}

// IndexPage is what [Index] shows.
type IndexPage struct {
	MCPURL     string // the address to paste into a client; "" while there is none
	ServerName string // shown beside our own name; "" and "Drawbridge" are left out
	Lang       string // an Accept-Language header
}

// Error writes a page that says what happened and what to do. The caller puts
// no token, code, secret, state or exception text into it. The error returned
// is w's.
func Error(w io.Writer, p ErrorPage) error {
	return write(w, p.Lang, "error.html", p)
}

// Index writes the page at "/": what this is, and the address to paste into a
// client instead of opening it. The error returned is w's.
func Index(w io.Writer, p IndexPage) error {
	return write(w, p.Lang, "index.html", p)
}

// write sends the page whole or, if it fails to render, not at all: a consent
// page cut in the middle could lack its warning.
func write(w io.Writer, acceptLanguage, page string, data any) error {
	var b bytes.Buffer
	if err := pages[TextsFor(acceptLanguage).Lang].ExecuteTemplate(&b, page, data); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func file(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the file is embedded: this build is broken
	}
	return b
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
