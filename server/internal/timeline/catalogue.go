package timeline

import (
	"embed"
	"encoding/json"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

//go:embed catalogue/*.json
var files embed.FS

// catalogues are the sentences of each language, by key. Each file also has the
// plain words that stand for what is not known.
var catalogues = map[string]map[string]string{"en": catalogue("en"), "ja": catalogue("ja")}

func catalogue(language string) map[string]string {
	data, err := files.ReadFile("catalogue/" + language + ".json")
	if err != nil {
		panic(err)
	}
	var lines map[string]string
	if err := json.Unmarshal(data, &lines); err != nil {
		panic("catalogue/" + language + ".json: " + err.Error())
	}
	return lines
}

// ofProgram are the words whose value is the name of a program, for which the
// catalogue has what to do in it.
var ofProgram = map[string]bool{"signin": true, "restart": true, "document": true}

// maxSentence bounds a sentence, in characters.
const maxSentence = 700

// Sentence returns the line of key with args filled in. What is not known has
// its plain word; what has no line is "".
func Sentence(language, key string, args map[string]string) string {
	lines := catalogues[language]
	var b strings.Builder
	line := lines[key]
	for {
		before, rest, found := strings.Cut(line, "{")
		b.WriteString(before)
		if !found {
			break
		}
		var name string
		name, line, _ = strings.Cut(rest, "}")
		value := args[name]
		if ofProgram[name] {
			value = lines["word."+name+"."+value]
		}
		if value == "" {
			value = lines["word."+name]
		}
		if name == "reason" && strings.HasPrefix(line, ".") {
			value = strings.TrimSuffix(value, ".")
		}
		b.WriteString(value)
	}
	s := b.String()
	if first := s[:min(len(s), 1)]; first != "" && first[0] >= 'a' && first[0] <= 'z' && strings.HasPrefix(lines[key], "{client}") && args["client"] == "" {
		s = strings.ToUpper(first) + s[1:]
	}
	return status.Clean(s, maxSentence)
}
