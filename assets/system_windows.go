package assets

import (
	"strings"

	"golang.org/x/sys/windows"
)

// systemLocale is the language in which Windows shows its menus.
func systemLocale() string {
	languages, _ := windows.GetUserPreferredUILanguages(windows.MUI_LANGUAGE_NAME)
	return strings.Join(languages, ",")
}
