package assets

import (
	"cmp"
	"os"
	"strings"
)

// TextsForSystem returns the sentences in the language of the person who
// started this program: as the environment says (POSIX locales, XBD §8.2), else
// as the system does.
func TextsForSystem() *Texts {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG"))
	if locale == "" {
		locale = systemLocale()
	}
	locale, _, _ = strings.Cut(locale, ".") // ja_JP.UTF-8
	locale, _, _ = strings.Cut(locale, "@")
	return TextsFor(strings.ReplaceAll(locale, "_", "-"))
}
