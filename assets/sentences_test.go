package assets

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Sentences are known with their names filled in, several at once, and with or
// without the capital and the full stop that their place demands.
func TestTranslate(t *testing.T) {
	for text, want := range map[string]string{
		"Deny":                          "拒否",
		"the client is not known here":  "クライアントは登録されていません",
		"The client is not known here.": "クライアントは登録されていません。",
		"bob@example.com may sign in.":  "bob@example.com はサインインできます。",
		"Okta can't be reached. Check this computer's connection and try again in a minute.":         "Okta に接続できません。このコンピューターの接続を確認し、1 分後にもう一度試してください。",
		"The provider can't be reached. Check this computer's connection and try again in a minute.": "ID プロバイダーに接続できません。このコンピューターの接続を確認し、1 分後にもう一度試してください。",
		"https://bridge.example leads here":                                      "https://bridge.example はここに届きます",
		"Drawbridge is not set up: the configuration lacks idp.issuer.":          "Drawbridge はまだセットアップされていません: 設定に idp.issuer がありません。",
		"addresses ana@example.com; groups dev, ops":                             "アドレス: ana@example.com; グループ: dev, ops",
		"Something new. `drawbridge logs web` shows what it wrote.":              "Something new. 出力は `drawbridge logs web` で確認できます。",
		"web does nothing. Is it on? `drawbridge logs web` shows what it wrote.": "web does nothing. Is it on? 出力は `drawbridge logs web` で確認できます。",
		"Something new. Wait a moment, and look again. Something else":           "Something new. 少し待ってから、もう一度確認してください。Something else",
		"the provider accepts {redirect}":                                        "ID プロバイダーは {redirect} を受け付けます",
		"Something new.":                                                         "Something new.",
		"mcp.json names ":                                                        "mcp.json names ",
		"\xffx":                                                                  "\xffx",
		"":                                                                       "",
	} {
		if got := Translate("ja", text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := Translate("en", text); got != text {
			t.Errorf("%q in English: %q", text, got)
		}
	}
	if Translated("ja", "Something new. `drawbridge logs web` shows what it wrote.") || !Translated("ja", "Bob may sign in. Wait a moment, and look again.") {
		t.Error("a text counts as translated if all of it is")
	}
}

// A text of strangers costs no more than a moment.
func TestTranslateHostile(t *testing.T) {
	start := time.Now()
	for _, part := range []string{". ", "is a. ", "the proxy {proxy} ; ", "{Name} "} {
		Translate("ja", strings.Repeat(part, 1<<20)) // too long to be one of ours
		Translate("ja", strings.Repeat(part, maxTranslated/len(part)))
	}
	if took := time.Since(start); took > 10*time.Second { // twice over for each letter would be hours
		t.Errorf("it took %s", took)
	}
}

func FuzzTranslate(f *testing.F) {
	f.Add("Okta can't be reached. Wait a moment, and look again.")
	f.Add("{Name}; {why}: it leads nowhere. \xff? ")
	f.Fuzz(func(t *testing.T, text string) {
		if got := Translate("ja", text); utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
