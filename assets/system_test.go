package assets

import "testing"

func TestTextsForSystem(t *testing.T) {
	for _, c := range []struct{ all, messages, lang, want string }{
		{"", "", "ja_JP.UTF-8", "ja"},
		{"", "", "ja", "ja"},
		{"", "", "ja_JP@cjknarrow", "ja"},
		{"", "en_US.UTF-8", "ja_JP.UTF-8", "en"},
		{"C", "ja_JP.UTF-8", "ja_JP.UTF-8", "en"},
		{"ja_JP.eucJP", "", "en_US.UTF-8", "ja"},
		{"", "", "C.UTF-8", "en"},
		{"", "", "POSIX", "en"},
		{"", "", "de_DE.UTF-8", "en"},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_MESSAGES", c.messages)
		t.Setenv("LANG", c.lang)
		if got := TextsForSystem().Lang; got != c.want {
			t.Errorf("LC_ALL=%s LC_MESSAGES=%s LANG=%s: %s, want %s", c.all, c.messages, c.lang, got, c.want)
		}
	}
}
