package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A key of config.toml is declared once, by the tags of its Go field:
//
//	key    its name in its table; of a struct, the table's
//	check  what the value must be, a name in checks
//	save   "always": written to a new file though it is as by default
//
// What may be written, what is refused, and what is saved follow from them.
type key struct {
	path  string // with the table's, if any
	index []int  // of the field, from the struct that keysOf was given
	kind  reflect.Type
	check string
	saved bool
}

var (
	fileKeys   = keysOf(reflect.TypeFor[Config](), "", nil)         // apart from those that come several times
	ruleKeys   = keysOf(reflect.TypeFor[Rule](), "", nil)           // of [[access.rule]]
	serverKeys = keysOf(reflect.TypeFor[ServerSettings](), "", nil) // of [server.NAME]
)

func keysOf(t reflect.Type, table string, index []int) (all []key) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, at := f.Tag.Get("key"), append(slices.Clone(index), f.Index...)
		switch {
		case name == "":
		case f.Type.Kind() == reflect.Struct:
			all = append(all, keysOf(f.Type, name+".", at)...)
		default:
			all = append(all, key{table + name, at, f.Type, f.Tag.Get("check"), f.Tag.Get("save") == "always"})
		}
	}
	return all
}

// find returns the key of path, or nil.
func find(keys []key, path string) *key {
	if i := slices.IndexFunc(keys, func(k key) bool { return k.path == path }); i >= 0 {
		return &keys[i]
	}
	return nil
}

// table is the table that k stands in, "" for the top of the file; name is its
// name there.
func (k key) table() string { return k.path[:max(0, strings.LastIndexByte(k.path, '.'))] }
func (k key) name() string  { return k.path[strings.LastIndexByte(k.path, '.')+1:] }

// in is the field of k in a struct.
func (k key) in(v reflect.Value) reflect.Value { return v.FieldByIndex(k.index) }

// never is a time that does not come.
const never = -1

// set puts a value of the file into field, or says what it must be instead.
func (k key) set(field reflect.Value, v value) string {
	switch field.Interface().(type) {
	case string:
		if v.kind != unstable.String {
			return `must be a text in quotes`
		}
		field.SetString(v.text)
	case bool:
		if v.kind != unstable.Bool {
			return "must be true or false, without quotes"
		}
		field.SetBool(v.text == "true")
	case []string:
		all := []string{}
		for _, item := range v.items {
			if item.kind == unstable.String {
				all = append(all, item.text)
			}
		}
		if v.kind != unstable.Array || len(all) != len(v.items) {
			return `must be a list of texts in quotes, such as ["one", "two"]`
		}
		field.Set(reflect.ValueOf(all))
	case int:
		n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 0, 32)
		if v.kind != unstable.Integer || err != nil {
			return "must be a whole number, without quotes"
		}
		field.SetInt(n)
	case time.Duration:
		return k.setDuration(field, v)
	default:
		panic("config: " + k.path + " is of a type that no key has")
	}
	return ""
}

func (k key) setDuration(field reflect.Value, v value) string {
	if k.check == "duration or never" && v.kind == unstable.String && v.text == "never" {
		field.SetInt(never)
		return ""
	}
	d, err := time.ParseDuration(v.text)
	switch {
	case v.kind != unstable.String || err != nil:
		return `must be a duration in quotes, such as "90s", "30m" or "720h"` + k.orNever()
	case d < time.Second:
		return shortDuration + k.orNever() // at once: in the field 0 may stand for the usual
	}
	field.SetInt(int64(d))
	return ""
}

const shortDuration = `must be at least "1s"`

func (k key) orNever() string {
	if k.check == "duration or never" {
		return `, or "never"`
	}
	return ""
}

// problems says what is wrong with the value of field: where, such as "[2]" for
// the third of a list, and what it must be. A value that is not set is no
// problem.
func (k key) problems(field reflect.Value, bad func(where, says string)) {
	check := checks[k.check]
	switch v := field.Interface().(type) {
	case string:
		if v != "" {
			bad("", check(v))
		}
	case []string:
		for i, s := range v {
			bad(fmt.Sprintf("[%d]", i), check(s))
		}
	case time.Duration:
		if v < time.Second && (v > 0 || k.check == "duration" || k.check == "duration or usual" && v < 0) {
			bad("", shortDuration+k.orNever())
		}
	}
}

// isTable reports whether path is a table of config.toml.
func isTable(path string) bool {
	return path == serverTable || path == ruleTable ||
		slices.ContainsFunc(fileKeys, func(k key) bool { return strings.HasPrefix(k.path, path+".") })
}

// names returns what table may hold: at the top, tables as well.
func names(table string) (all []string) {
	switch table {
	case "":
		all = append(all, serverTable)
	case "access":
		all = append(all, "rule")
	}
	for _, k := range fileKeys {
		if table == "" {
			name, _, _ := strings.Cut(k.path, ".")
			all = append(all, name)
		} else if k.table() == table {
			all = append(all, k.name())
		}
	}
	return all
}

// secretNames are parts of keys under which people paste secrets.
var secretNames = []string{"secret", "password", "passwd", "token", "apikey", "privatekey", "datakey", "credential"}

func isSecretName(name string) bool {
	return slices.ContainsFunc(secretNames, func(s string) bool { return strings.Contains(letters(name), s) })
}
