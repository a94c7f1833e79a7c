package process

import (
	"errors"
	"strings"
)

// noVariable stands before a percent sign of an argument: the shell takes the
// first of %% as it is, then expands no characters of the current folder's name.
// So what follows names no variable. Rust and yt-dlp write it the same way.
const noVariable = "%%cd:~,"

// isBatch reports whether Windows has its shell read the file at path. It passes
// over dots and spaces at the end of a name.
func isBatch(path string) bool {
	path = strings.ToLower(strings.TrimRight(path, ". "))
	return strings.HasSuffix(path, ".cmd") || strings.HasSuffix(path, ".bat")
}

// batchLine returns the command line by which shell runs a batch file with just
// these arguments. Windows itself would have the shell read them as commands:
// a&b is two of them there. Inside double quotes all but % is plain to the shell,
// in the file's own %* too, and the program behind it reads "" in quotes as one quote. What
// is doubled stays paired, so nothing ever stands outside. A line's end can't be
// written at all.
func batchLine(shell string, argv []string) (string, error) {
	var line strings.Builder
	// No AutoRun (/d), commands extended (/e), no !VAR! (/v), and the outermost
	// quotes taken away and nothing else (/s).
	line.WriteString(`"` + shell + `" /d /e:on /v:off /s /c "`)
	for i, arg := range argv {
		if strings.ContainsAny(arg, "\r\n\x00") {
			return "", errors.New("an argument of a .cmd or .bat file can't hold a line break: take it out of \"args\" in mcp.json")
		}
		if i > 0 {
			line.WriteByte(' ')
		}
		line.WriteByte('"')
		backslashes := 0
		for _, b := range []byte(arg) {
			switch b {
			case '\\':
				backslashes++
			case '"': // a backslash counts as one, unless a quote follows
				line.WriteString(strings.Repeat(`\`, backslashes) + `"`)
			case '%':
				line.WriteString(noVariable)
			}
			if b != '\\' {
				backslashes = 0
			}
			line.WriteByte(b)
		}
		line.WriteString(strings.Repeat(`\`, backslashes) + `"`)
	}
	line.WriteByte('"')
	return line.String(), nil
}
