package assets

import "encoding/json"

// sentences are the translations of what other packages say in English, by
// language and by the English sentence itself, with its {words} not yet filled
// in. They stand in texts/sentences.LANGUAGE.json.
var sentences = mustLoadSentences()

// Translate returns text in another language, or as it is if it has not been
// translated.
func Translate(lang, text string) string {
	if translated, ok := sentences[lang][text]; ok {
		return translated
	}
	return text
}

// Translated reports whether text is known in a language.
func Translated(lang, text string) bool {
	_, ok := sentences[lang][text]
	return ok || lang == Languages[0]
}

func mustLoadSentences() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, lang := range Languages[1:] {
		data, err := textFiles.ReadFile("texts/sentences." + lang + ".json")
		var say map[string]string
		if err == nil {
			err = json.Unmarshal(data, &say)
		}
		if err != nil {
			panic(err) // the file is embedded: this build is broken
		}
		all[lang] = say
	}
	return all
}
