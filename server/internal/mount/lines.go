package mount

import (
	"bufio"
	"bytes"
	"io"
)

// lineReader reads lines of bounded length from a process.
type lineReader struct {
	r   *bufio.Reader
	max int
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
		content := bytes.TrimRight(chunk, "\r\n")
		if err == bufio.ErrBufferFull {
			content = chunk
		}
		if room := l.max - len(line); len(content) > room {
			content, cut = content[:room], true
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
