package timeline

import (
	"embed"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

//go:embed catalogue/*.json
var files embed.FS

// catalogues are the sentences of each language, by key. Each file also has the
// plain words that stand for what is not known.
var catalogues = map[string]map[string]string{"en": catalogue("en"), "ja": catalogue("ja")}

func catalogue(language string) map[string]string {
	data, err := files.ReadFile("catalogue/" + language + ".json")
	var lines map[string]string
	if err == nil {
		err = json.Unmarshal(data, &lines)
	}
	if err != nil {
		panic("catalogue/" + language + ".json: " + err.Error()) // it is embedded: this build is broken
	}
	return lines
}

// ofProgram are the words whose value is the name of a program, for which the
// catalogue has what to do in it.
var ofProgram = map[string]bool{"signin": true, "restart": true, "document": true}

// word is a {word} of a line, the full stop behind it, and the blanks around it.
var word = regexp.MustCompile(`( ?)\{(\w+)\}(\.?)( ?)`)

// Sentence returns the line of key with args filled in. What is not known has
// its plain word; what has no line is "".
func Sentence(language, key string, args map[string]string) string {
	lines := catalogues[language]
	s := word.ReplaceAllStringFunc(lines[key], func(found string) string {
		parts := word.FindStringSubmatch(found)
		before, name, end, after := parts[1], parts[2], parts[3], parts[4]
		value := args[name]
		if ofProgram[name] {
			value = lines["word."+name+"."+value]
		}
		if value == "" {
			value = lines["word."+name]
			if value != "" && value[0] >= utf8.RuneSelf { // the blanks are for names in Latin letters
				before, after = "", ""
			}
		}
		if name == "reason" { // is a sentence of its own
			value = strings.TrimSuffix(assets.Translate(language, value), end)
		}
		return before + value + end + after
	})
	if first := s[:min(len(s), 1)]; first != "" && first[0] >= 'a' && first[0] <= 'z' && strings.HasPrefix(lines[key], "{client}") && args["client"] == "" {
		s = strings.ToUpper(first) + s[1:]
	}
	return status.Clean(s, 700)
}
