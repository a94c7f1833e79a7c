package process

import (
	"strings"
	"testing"
)

// What the shell of Windows reads as commands stays inside quotes. The same
// lines are run by that shell in TestBatch, on Windows.
func TestBatchLine(t *testing.T) {
	const begin = `"C:\W\cmd.exe" /d /e:on /v:off /s /c "`
	for _, c := range []struct{ arg, want string }{
		{`plain`, `"plain"`},
		{``, `""`},
		{`a&b`, `"a&b"`},
		{`two words`, `"two words"`},
		{`%OS%`, `"%%cd:~,%OS%%cd:~,%"`},
		{`say "hi" & calc`, `"say ""hi"" & calc"`},
		{`"&calc&"`, `"""&calc&"""`},
		{`\"&calc`, `"\\""&calc"`},
		{`C:\dir\`, `"C:\dir\\"`},
		{`a^b!c|d<e>f(g)`, `"a^b!c|d<e>f(g)"`},
		{`日本`, `"日本"`},
	} {
		got, err := batchLine(`C:\W\cmd.exe`, []string{`C:\Program Files\x&y\npx.cmd`, c.arg})
		if want := begin + `"C:\Program Files\x&y\npx.cmd" ` + c.want + `"`; err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", c.arg, got, err, want)
		}
		if strings.Count(got, `"`)%2 != 0 {
			t.Errorf("%q: a quote stays open in %s", c.arg, got)
		}
	}
	for _, arg := range []string{"a\nb", "a\rb", "a\x00b"} {
		if got, err := batchLine("cmd.exe", []string{"x.bat", arg}); err == nil {
			t.Errorf("%q became %s", arg, got)
		}
	}
	for path, want := range map[string]bool{`C:\n\npx.cmd`: true, `x.BAT`: true, `x.bat. .`: true, `node.exe`: false, `bat`: false, `x.cmd.exe`: false} {
		if isBatch(path) != want {
			t.Errorf("isBatch(%q) is %v", path, !want)
		}
	}
}
