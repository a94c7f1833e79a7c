package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxSize is far more than any configuration in bytes, and stops a path that
// was meant for something else.
const maxSize = 1 << 20

// Load reads and checks the file at path. If there is none, it returns
// [Default] and an error that is fs.ErrNotExist; for what is wrong in it, see
// [Parse].
func Load(path string) (Config, error) {
	data, err := read(path, "the configuration")
	if errors.Is(err, os.ErrNotExist) {
		return Default(), fmt.Errorf("there is no configuration at %s: run `drawbridge setup` (%w)", path, os.ErrNotExist)
	}
	if err != nil {
		return Config{}, err
	}
	return Parse(path, data)
}

// read returns the text of the file at path; what is how errors call it.
func read(path, what string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s is larger than %d bytes: is this the right file?", path, maxSize)
	}
	return data, nil
}

// Parse reads data as a configuration; file is its name in errors. The error
// joins an [*Error] for each problem found, in the order of lines.
func Parse(file string, data []byte) (Config, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // Windows' Notepad
	p := &parser{mistakes: mistakes{file: file, data: data}, config: Default(), places: map[string]int{}, refused: map[string]bool{}}
	entries, syntaxErr := walk(data)
	for _, e := range entries {
		p.take(e)
	}
	p.syntax(syntaxErr)
	p.config.normalise()
	for _, e := range Errors(p.config.Validate()) {
		p.locate(e)
	}
	if err := p.err(); err != nil {
		return Config{}, err
	}
	return p.config, nil
}

type parser struct {
	mistakes
	config  Config
	places  map[string]int  // of each known key, list element and table
	refused map[string]bool // keys and tables that have their error already
}

// take puts one entry into the configuration, or says what is wrong with it.
func (p *parser) take(e entry) {
	path := strings.Join(e.path, ".")
	k := find(fileKeys, path)
	switch {
	case p.underRefused(e.path):
	case len(e.path) > 1 && strings.Join(e.path[:2], ".") == ruleTable:
		p.takeRule(e)
	case e.path[0] == serverTable:
		p.takeServer(e)
	case e.header && e.value.kind == unstable.ArrayTable && (isTable(path) || k != nil):
		p.refused[e.path[0]] = true
		p.fail(e.at, path, "[[%s]] is a list of tables: write [%s] once", path, e.path[0])
	case e.header && len(e.path) == 1 && isTable(path):
		p.places[path] = e.at
	case k != nil && !e.header:
		p.put(*k, reflect.ValueOf(&p.config).Elem(), e, path, display(e.path))
	case k != nil:
		p.fail(e.at, path, "%s is a key, not a table", display(e.path))
	case isTable(path):
		p.refused[path] = true
		p.fail(e.at, path, "%s is a table: write [%s], and its keys below it", code(path), path)
	default:
		p.unknown(e, path)
	}
}

// put puts the value of e into the field of k in to; path and name are the
// key's, for errors and for people.
func (p *parser) put(k key, to reflect.Value, e entry, path, name string) {
	p.places[path] = e.at
	for i, item := range e.value.items {
		p.places[fmt.Sprintf("%s[%d]", path, i)] = item.at
	}
	if says := k.set(k.in(to), e.value); says != "" {
		p.refused[path] = true
		p.fail(e.value.at, path, "%s %s", name, says)
	}
}

// underRefused reports whether path or a table around it has its error.
func (p *parser) underRefused(path []string) bool {
	for i := range path {
		if p.refused[strings.Join(path[:i+1], ".")] {
			return true
		}
	}
	return false
}

// unknown refuses a key that does not exist.
func (p *parser) unknown(e entry, path string) {
	name := e.path[len(e.path)-1]
	if e.header {
		p.refused[path] = true
	}
	if !isTable(e.path[0]) && (len(e.path) > 1 || e.header) && find(fileKeys, e.path[0]) == nil {
		p.refused[e.path[0]] = true // one error for a table, not one for each of its keys
		if !isSecretName(name) || e.header {
			p.fail(e.at, path, "unknown table [%s]%s", quoted(e.path[0]), suggest(Nearest(e.path[0], names(""))))
			return
		}
	}
	table := strings.Join(e.path[:len(e.path)-1], ".")
	where := ""
	if table != "" {
		where = " in [" + quoted(table) + "]"
	}
	hint := suggest(Nearest(name, names(table)))
	other := slices.IndexFunc(fileKeys, func(k key) bool { return k.name() == name && k.table() != "" && k.table() != table })
	switch {
	case isSecretName(name):
		p.fail(e.at, path, "%s%s looks like a secret, and this file holds none: take the line out and run `drawbridge setup`, which puts it in the keychain", code(name), where)
		return
	case table == "access" && find(ruleKeys, name) != nil:
		hint = ": it belongs in [[" + ruleTable + "]]"
	case other >= 0:
		hint = ": it belongs in [" + fileKeys[other].table() + "]"
	case table != "" && find(fileKeys, name) != nil:
		hint = ": it belongs at the top of the file, before the first [table]"
	}
	p.fail(e.at, path, "unknown key %s%s%s", code(name), where, hint)
}

func suggest(name string) string {
	if name == "" {
		return ""
	}
	return ": did you mean " + code(name) + "?"
}

// syntax reports what is no TOML. Only the whole decoder knows of keys that
// come twice, so it has its say even if every line can be read.
func (p *parser) syntax(err error) {
	if whole := toml.Unmarshal(p.data, &map[string]any{}); whole != nil {
		err = whole // the same error, with its place
	}
	if err == nil {
		return
	}
	at := place{1, 1}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		at.line, at.column = de.Position()
	}
	says := "not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")
	if lines := bytes.Split(p.data, []byte("\n")); at.line <= len(lines) {
		if name, _, ok := strings.Cut(string(lines[at.line-1]), "="); ok && isSecretName(name) {
			says = "this line looks like a secret, and this file holds none: take it out and run `drawbridge setup`, which puts it in the keychain"
		}
	}
	p.failAt(at, "", says)
}

// locate gives an error of Validate its line. Keys that were refused already
// are not refused again for the default that stands in for them.
func (p *parser) locate(e *Error) {
	at, found := 0, false
	for key := e.Key; key != ""; key = around(key) {
		if p.refused[key] {
			return
		}
		if there, ok := p.places[key]; ok && !found {
			at, found = there, true
		}
	}
	for key := range p.refused { // a table is not empty because its keys were refused
		if strings.HasPrefix(key, e.Key+".") {
			return
		}
	}
	p.failAt(p.placeOf(at), e.Key, e.Msg)
}

// around is the key or table that holds what key names, or "".
func around(key string) string {
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}

// display is how a sentence names a key: `issuer` in [idp].
func display(path []string) string {
	name := code(path[len(path)-1])
	if len(path) == 1 {
		return name
	}
	return name + " in [" + strings.Join(path[:len(path)-1], ".") + "]"
}

func code(name string) string { return "`" + quoted(name) + "`" }

// quoted shortens names from the file, and shows what can't be printed.
func quoted(name string) string {
	if r := []rune(name); len(r) > 40 {
		name = string(r[:40]) + "…"
	}
	q := strconv.Quote(name)
	return q[1 : len(q)-1]
}
