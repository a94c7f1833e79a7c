package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in config.toml. Msg is a sentence that says what
// and how to mend it; it holds no value from the file.
type Error struct {
	File   string
	Line   int // from 1; 0 if the problem is in no file
	Column int
	Key    string // such as idp.issuer or clients.redirect_uris[2]; "" for a syntax error
	Msg    string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// mistakes are those found in one file, which holds data.
type mistakes struct {
	file string
	data []byte
	errs []*Error
}

// place is where something stands in a file, both from 1.
type place struct{ line, column int }

func (m *mistakes) placeOf(offset int) place {
	before := m.data[:min(offset, len(m.data))]
	return place{1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')}
}

func (m *mistakes) fail(offset int, key, format string, args ...any) {
	m.failAt(m.placeOf(offset), key, fmt.Sprintf(format, args...))
}

func (m *mistakes) failAt(at place, key, says string) {
	m.errs = append(m.errs, &Error{File: m.file, Line: at.line, Column: at.column, Key: key, Msg: says})
}

// err joins them in the order of lines; nil if there are none.
func (m *mistakes) err() error {
	slices.SortStableFunc(m.errs, func(a, b *Error) int { return a.Line - b.Line })
	joined := make([]error, len(m.errs))
	for i, e := range m.errs {
		joined[i] = e
	}
	return errors.Join(joined...)
}

// Errors takes apart what [Parse], [Load] and [Config.Validate] return.
func Errors(err error) []*Error {
	switch e := err.(type) {
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, err := range e.Unwrap() {
			all = append(all, Errors(err)...)
		}
		return all
	case interface{ Unwrap() error }:
		return Errors(e.Unwrap())
	}
	return nil
}

// Nearest returns the one of names that word is most likely a slip of, or "".
func Nearest(word string, names []string) string {
	best, bestDistance := "", min(1+len(word)/3, 4)
	for _, name := range names {
		if d := distance(letters(word), letters(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// letters is a name without what styles differ in.
func letters(name string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to turn a into b.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			if i == 0 || j == 0 {
				d[i][j] = i + j
				continue
			}
			replaced := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
