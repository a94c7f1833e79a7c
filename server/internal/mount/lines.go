package mount

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
)

// byteOrderMark is what some runtimes begin their output with, .NET's among them.
var byteOrderMark = []byte("\ufeff")

// lineReader reads lines of bounded length from a process.
type lineReader struct {
	r     *bufio.Reader
	max   int
	large func() error // is asked before a line longer than limit.Free is read on; nil: none
}

func newLineReader(r io.Reader, max int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 32<<10), max: max}
}

// next returns a line without its end. Of one longer than max it returns the
// first max bytes and cut; the rest is read and dropped. A last line without an
// end is a line, too.
func (l *lineReader) next() (line []byte, cut bool, err error) {
	for {
		chunk, err := l.r.ReadSlice('\n')
		if len(line) == 0 {
			chunk = bytes.TrimPrefix(chunk, byteOrderMark)
		}
		content := bytes.TrimRight(chunk, "\r\n")
		if err == bufio.ErrBufferFull {
			content = chunk
		}
		if room := l.max - len(line); len(content) > room {
			content, cut = content[:room], true
		}
		if len(line) <= limit.Free && len(line)+len(content) > limit.Free && l.large != nil {
			if err := l.large(); err != nil {
				return nil, false, err
			}
		}
		if len(line)+len(content) > cap(line) {
			line = slices.Grow(line, min(max(len(line), len(content)), l.max-len(line))) // by its own length: fewer copies than append makes
		}
		line = append(line, content...)
		switch {
		case err == nil, err == io.EOF && len(chunk)+len(line) > 0:
			return line, cut, nil
		case err != bufio.ErrBufferFull:
			return nil, false, err
		}
	}
}

// pass drops what has been read already and returns how many bytes that was.
func (l *lineReader) pass() int {
	n, _ := l.r.Discard(l.r.Buffered()) // which are there
	return n
}

// escapeLineEnds writes as \u escapes what Node.js from version 24 on, Bun, and
// Python's splitlines take for the end of a line: U+2028, U+2029 and U+0085. In
// JSON they stand in texts alone.
func escapeLineEnds(message []byte) []byte {
	for _, end := range []string{"\u2028", "\u2029", "\u0085"} {
		if bytes.Contains(message, []byte(end)) {
			r, _ := utf8.DecodeRuneInString(end)
			message = bytes.ReplaceAll(message, []byte(end), fmt.Appendf(nil, `\u%04x`, r))
		}
	}
	return message
}

// maxTries bounds how many braces of a line are tried.
const maxTries = 64

// parseBehind finds an answer behind a greeting that has no line end. It must be
// an answer, and before the first message: later lines may be a log that quotes
// what was said.
func parseBehind(line []byte) ([]message, error) {
	for range maxTries {
		if len(line) > 1<<20 {
			break // no greeting, and no answer to one
		}
		i := bytes.IndexByte(line[min(1, len(line)):], '{')
		if i < 0 {
			break
		}
		line = line[i+1:]
		messages, err := parse(line)
		if err == nil && messages[0].isAnswer() && messages[0].ID != nil {
			return messages, nil
		}
	}
	return nil, errNoMessage
}
