package rig

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func StartConsoleBrowser(t *testing.T, args ...string) *Script {
	t.Helper()
	if _, err := os.Stat("node_modules/axe-core/axe.min.js"); err != nil {
		Missing(t, "axe-core")
	}
	return StartScript(t, nil, "clients/console.mjs", append([]string{NeedHeadless(t)}, args...)...)
}

// NeedChromium returns the browser's path.
func NeedChromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "chromium")
	return ""
}

// NeedHeadless returns the path of Chromium without a window, which opens a page
// in a quarter of the time, or of the whole one.
func NeedHeadless(t testing.TB) string {
	t.Helper()
	const shell = "/usr/lib/chromium/chromium-headless-shell" // Debian's
	if _, err := os.Stat(shell); err == nil {
		return shell
	}
	return NeedChromium(t)
}

// chromiumReport is what clients/chromium.mjs answers.
type chromiumReport struct {
	Problems []string
	Texts    []string // the page's text, one a view
	URL      string
}

func (s *Script) Ask(t *testing.T, command any) (r chromiumReport) {
	t.Helper()
	s.Write(command)
	s.Read(&r)
	for _, problem := range r.Problems {
		t.Error(problem)
	}
	return r
}

type SetupSteps [][]string

func (s *Script) AskSetup(t *testing.T, link string, keep bool, steps SetupSteps) []string {
	t.Helper()
	return s.Ask(t, map[string]any{"do": "steps", "link": strings.Replace(link, "/#", "/setup#", 1), "lang": "en-GB", "keep": keep, "steps": steps}).Texts
}
