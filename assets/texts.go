package assets

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Languages are those that the console speaks; the first is spoken to whoever
// asks for none of them.
var Languages = []string{"en", "ja"}

var catalogue = mustLoadTexts()

// Texts are the console's sentences in one language. They stand in files
// texts/LANGUAGE*.json, each one object of key and sentence; a sentence holds
// its arguments as package fmt writes them.
type Texts struct {
	Lang string // as in <html lang>
	say  map[string]string
	sentences
}

// TextsFor returns the sentences in the language that an Accept-Language
// header (RFC 9110 §12.5.4) likes best.
func TextsFor(acceptLanguage string) *Texts {
	best, quality := catalogue[Languages[0]], 0.0
	for _, part := range strings.Split(acceptLanguage[:min(len(acceptLanguage), 1000)], ",") {
		tag, params, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		if t := catalogue[primary]; t != nil && q > quality && q <= 1 {
			best, quality = t, q
		}
	}
	return best
}

// Through says how a session began without a page (status.Session): through whom,
// or that it is a machine's.
func (t *Texts) Through(how, provider string) string {
	if how == "" {
		return ""
	}
	return strings.ReplaceAll(t.Say("through."+how), "%s", provider)
}

// Say returns the sentence of key with its arguments in place. A key that is
// missing says its own name: the tests see to it that none is.
func (t *Texts) Say(key string, args ...any) string {
	s, ok := t.say[key]
	if !ok {
		return "[" + Name(key) + "]"
	}
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

// Count returns the sentence of key for n things; key.one is for one of them.
func (t *Texts) Count(key string, n int, args ...any) string {
	if n == 1 {
		key += ".one"
	}
	return t.Say(key, append([]any{n}, args...)...)
}

// Ago says how long at is past.
func (t *Texts) Ago(at, now time.Time) string {
	switch d := now.Sub(at); {
	case at.IsZero():
		return t.Say("time.never")
	case d < time.Minute:
		return t.Say("time.now")
	case d < time.Hour:
		return t.Count("time.minutes", int(d/time.Minute))
	case d < 24*time.Hour:
		return t.Count("time.hours", int(d/time.Hour))
	case d < 14*24*time.Hour:
		return t.Count("time.days", int(d/(24*time.Hour)))
	}
	return at.Local().Format(time.DateOnly)
}

// Has reports whether there is a sentence of key.
func (t *Texts) Has(key string) bool {
	_, ok := t.say[key]
	return ok
}

func mustLoadTexts() map[string]*Texts {
	all := map[string]*Texts{}
	for _, lang := range Languages {
		all[lang] = &Texts{Lang: lang, say: load(lang), sentences: newSentences(load("sentences." + lang))}
	}
	return all
}

// load reads the files whose names begin so.
func load(prefix string) map[string]string {
	all := map[string]string{}
	names, _ := fs.Glob(files, "texts/"+prefix+"*.json")
	for _, name := range names {
		var say map[string]string
		if err := json.Unmarshal(file(name), &say); err != nil {
			panic(fmt.Errorf("%s: %w", name, err))
		}
		for key, sentence := range say {
			if _, twice := all[key]; twice {
				panic(fmt.Errorf("%s: %q is said twice", name, key))
			}
			all[key] = sentence
		}
	}
	return all
}
