package assets

import (
	"html/template"
	"regexp"
	"strings"
)

// File is a file that the console serves as it is.
type File struct {
	Type string // Content-Type
	Body []byte
}

// ConsoleFiles are the console's stylesheet, scripts and icon, by path.
var ConsoleFiles = map[string]File{
	"/console.css": {"text/css; charset=utf-8", []byte(colours + "\n" + string(file("console/console.css")))},
	"/console.js":  script("console.js"),
	"/live.js":     script("live.js"),
	"/morph.js":    script("morph.js"),
	"/icon.svg":    {"image/svg+xml", file("icon.svg")},
}

func script(name string) File {
	return File{"text/javascript; charset=utf-8", file("console/" + name)}
}

// Console returns the console's templates in the language of t, with more
// functions than its own. Those make text safe to read: name and text cut what
// strangers wrote, lines keeps its lines, address shows a URL in ASCII, rich
// sets what stands between backticks as code, in translation if it is one of
// our own sentences, and tongue tells in which language that is. say, count and
// richly look up texts.
func Console(t *Texts, more template.FuncMap) (*template.Template, error) {
	set := template.New("console").Funcs(template.FuncMap{
		"say":     t.Say,
		"count":   t.Count,
		"richly":  func(key string, args ...any) template.HTML { return rich(t.Say(key, args...)) },
		"rich":    func(s string) template.HTML { return rich(plain(Translate(t.Lang, s), maxReport)) },
		"tongue":  func(s string) string { return tongue(t.Lang, s) },
		"name":    Name,
		"text":    func(s string) string { return plain(s, maxText) },
		"lines":   Block,
		"address": address,
		"lang":    func() string { return t.Lang },
	}).Funcs(more)
	return set.ParseFS(files, "console/*.html")
}

// Name makes what strangers called something safe to read: see [Consent].
func Name(s string) string { return plain(s, maxName) }

// maxReport bounds a sentence of Drawbridge's own, which may name many things.
const maxReport = 2000

// maxBlock bounds a text of many lines, in characters.
const maxBlock = 8000

// Block makes a text of many lines safe to read, and keeps its lines and the
// spaces that indent them.
func Block(s string) string {
	var b strings.Builder
	left := maxBlock
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		inner := strings.TrimLeft(line, " ")
		indent := min(len(line)-len(inner), 40)
		if left -= indent + 1; left < 2 {
			b.WriteString("…\n")
			break
		}
		inner = plain(inner, left)
		left -= len(inner)
		b.WriteString(strings.Repeat(" ", indent) + inner + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// tongue is the language in which rich shows s: what nobody has translated is
// English.
func tongue(lang, s string) string {
	if Translated(lang, s) {
		return lang
	}
	return Languages[0]
}

// known are addresses in our own sentences that become links. There is no other:
// what strangers wrote may stand in a sentence too.
var known = regexp.MustCompile(`\b(?:dashboard\.ngrok\.com|myaccount\.google\.com)/[a-z/-]+[a-z]`)

// rich escapes s, sets what stands between backticks as code, and links to known
// addresses.
func rich(s string) template.HTML {
	s = known.ReplaceAllString(template.HTMLEscapeString(s), `<a href="https://$0" target="_blank" rel="noopener noreferrer">$0</a>`)
	parts := strings.Split(s, "`")
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case i == len(parts)-1: // a backtick without its fellow
			b.WriteString("`" + part)
		default:
			b.WriteString(`<code translate="no">` + part + `</code>`)
		}
	}
	return template.HTML(b.String())
}
