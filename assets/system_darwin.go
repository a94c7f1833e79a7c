package assets

import (
	"os/exec"
	"strings"
)

// systemLocale is the language and region of the person's settings.
func systemLocale() string {
	locale, _ := exec.Command("/usr/bin/defaults", "read", "-g", "AppleLocale").Output()
	return strings.TrimSpace(string(locale))
}
