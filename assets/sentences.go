package assets

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// sentences are what other packages say in English, in another language:
// texts/sentences.LANGUAGE.json. There each is known by its English text, with
// {words} for what changes. Whether one begins with a capital and has its full
// stop depends on where it stands.
type sentences struct {
	byText   map[string]string
	byBare   map[string]string // of those without {words}, by what bare makes of them
	patterns []pattern         // of those with {words}, the most exact first
}

// pattern is a sentence with {words}.
type pattern struct {
	between []string // the words; one more than there are words
	words   []string
	said    string
}

var wordOfSentence = regexp.MustCompile(`\{\w+\}`)

func newSentences(byText map[string]string) sentences {
	s := sentences{byText: byText, byBare: map[string]string{}}
	for text, said := range byText {
		p := pattern{wordOfSentence.Split(bare(text), -1), wordOfSentence.FindAllString(text, -1), said}
		if p.words == nil {
			s.byBare[bare(text)] = said
		} else if p.exact() > 3 {
			s.patterns = append(s.patterns, p)
		}
	}
	slices.SortFunc(s.patterns, func(a, b pattern) int {
		return cmp.Or(b.exact()-a.exact(), slices.Compare(a.between, b.between))
	})
	return s
}

// exact is how much of a text a pattern prescribes.
func (p pattern) exact() int { return len(strings.Join(p.between, "")) }

// bare is text without what its place demands.
func bare(text string) string { return small(strings.TrimSuffix(text, ".")) }

func small(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// Translate returns text in another language, sentence by sentence; those that
// have not been translated stay as they are.
func Translate(lang, text string) string {
	said, _ := catalogue[lang].translate(text)
	return said
}

// Translated reports whether text is known in a language, all of it.
func Translated(lang, text string) bool {
	_, all := catalogue[lang].translate(text)
	return all || lang == Languages[0]
}

// endOfSentence parts sentences, and the members of a list.
var endOfSentence = regexp.MustCompile(`[.?;] `)

// What bounds the work that a text of strangers can cause: ours are shorter, and
// have fewer sentences.
const (
	maxTranslated = 4 << 10 // bytes
	maxSentences  = 20
)

func (s sentences) translate(text string) (said string, all bool) {
	if len(text) > maxTranslated {
		return text, false
	}
	if said, all = s.sentence(text); all || len(s.byText) == 0 {
		return cmp.Or(said, text), all
	}
	ends := append(endOfSentence.FindAllStringIndex(text, maxSentences), []int{len(text), len(text)})
	var b strings.Builder
	all = true
	for start, first := 0, 0; first < len(ends); first++ {
		known := false
		for last := len(ends) - 1; last >= first && !known; last-- { // several may be one entry
			end, next := ends[last][0], ends[last][1]
			gap := text[end:next]
			if gap != "" && gap != "; " { // the full stop is the sentence's
				end, gap = end+1, ""
			}
			if said, known = s.sentence(text[start:end]); known {
				b.WriteString(said + gap)
				start, first = next, last
			}
		}
		if !known {
			all = false
			b.WriteString(text[start:ends[first][1]])
			start = ends[first][1]
		}
	}
	return b.String(), all
}

// sentence translates what is one entry.
func (s sentences) sentence(text string) (said string, ok bool) {
	if said, ok = s.byText[text]; ok {
		return said, true
	}
	if said, ok = s.byBare[bare(text)]; !ok {
		for i := 0; i < len(s.patterns) && !ok; i++ {
			said, ok = s.fill(s.patterns[i], strings.TrimSuffix(text, "."))
		}
	}
	if ok && strings.HasSuffix(text, ".") && !strings.HasSuffix(said, "。") {
		said += "。"
	}
	return said, ok
}

// fill translates text by p, if it is of that form. A word is never more than
// one sentence, and some may be of ours themselves.
func (s sentences) fill(p pattern, text string) (said string, ok bool) {
	last := len(p.words)
	if p.between[0] != "" {
		text = small(text)
	}
	rest, begins := strings.CutPrefix(text, p.between[0])
	rest, ends := strings.CutSuffix(rest, p.between[last])
	if !begins || !ends {
		return "", false
	}
	var pairs []string
	for i, word := range p.words {
		value := rest
		if i+1 < last {
			if value, rest, ok = strings.Cut(rest, p.between[i+1]); !ok {
				return "", false
			}
		}
		if value == "" || endOfSentence.MatchString(value) {
			return "", false
		}
		same := []string{word}
		switch word {
		case "{what}": // nothing makes sense without it
			if value, ok = s.sentence(value); !ok {
				return "", false
			}
		case "{why}", "{host}", "{authority}":
			value, _ = s.translate(value)
		case "{Name}", "{name}": // where a sentence begins depends on the language
			value, _ = s.translate(value)
			same = []string{"{Name}", "{name}"}
		}
		for _, word := range same {
			if value[len(value)-1] >= utf8.RuneSelf { // the blank is for names in Latin letters
				pairs = append(pairs, word+" ", value)
			}
			pairs = append(pairs, word, value)
		}
	}
	return strings.NewReplacer(pairs...).Replace(p.said), true
}
