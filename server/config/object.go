package config

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// object is an object of a JSON text that is edited member by member. Each edit
// leaves every byte alone that it need not touch.
type object struct {
	*hujson.Object
	indent string // of the line in which it begins
}

func (o object) index(name string) int {
	return slices.IndexFunc(o.Members, func(m hujson.ObjectMember) bool { return nameOf(m) == name })
}

func (o object) has(name string) bool { return o.index(name) >= 0 }

// object is the one that name has, or false.
func (o object) object(name string) (object, bool) {
	i := o.index(name)
	if i < 0 {
		return object{}, false
	}
	inner, ok := o.Members[i].Value.Value.(*hujson.Object)
	return object{inner, o.indentOf(i)}, ok
}

// indentOf is the white space at the beginning of a member's line.
func (o object) indentOf(i int) string {
	before := string(o.Members[i].Name.BeforeExtra)
	if line := strings.LastIndexByte(before, '\n'); line >= 0 {
		return before[line+1:]
	}
	return o.indent
}

// set gives name a value: in the place of the old one, else behind the last
// member, laid out like it.
func (o object) set(name, value string) {
	if i := o.index(name); i >= 0 {
		o.Members[i].Value.Value = laidOut(value, o.indentOf(i))
		return
	}
	m := hujson.ObjectMember{Name: hujson.Value{Value: hujson.String(name)}, Value: hujson.Value{BeforeExtra: hujson.Extra(" ")}}
	tail := string(o.AfterExtra) // up to the bracket
	last := len(o.Members) - 1
	if last < 0 {
		indent := o.indent + "  "
		m.Name.BeforeExtra, o.AfterExtra = hujson.Extra(strings.TrimRight(tail, " \t\r\n")+"\n"+indent), hujson.Extra("\n"+o.indent)
		m.Value.Value = laidOut(value, indent)
		o.Members = append(o.Members, m)
		return
	}
	remark := ""
	if strings.HasPrefix(strings.TrimLeft(tail, " \t"), "//") { // it belongs to what stands before it
		line, _, _ := strings.Cut(tail, "\n")
		remark = strings.TrimRight(line, "\r")
	}
	if remark == "" && !bytes.ContainsRune(o.Members[last].Name.BeforeExtra, '\n') {
		m.Name.BeforeExtra, m.Value.Value = hujson.Extra(" "), parsed(value)
	} else {
		indent := o.indentOf(last)
		m.Name.BeforeExtra, m.Value.Value = hujson.Extra(remark+"\n"+indent), laidOut(value, indent)
	}
	if o.Members[last].Value.AfterExtra != nil { // with a comma behind it, and so has what comes
		m.Value.AfterExtra = hujson.Extra{}
	}
	o.AfterExtra = hujson.Extra(tail[len(remark):])
	o.Members = append(o.Members, m)
}

// laidOut is a value; an object has lines of its own.
func laidOut(value, indent string) hujson.ValueTrimmed {
	var buf bytes.Buffer
	if strings.HasPrefix(value, "{") && json.Indent(&buf, []byte(value), indent, "  ") == nil {
		value = buf.String()
	}
	return parsed(value)
}

// parsed is a value that was written by marshalJSON.
func parsed(value string) hujson.ValueTrimmed {
	v, err := hujson.Parse([]byte(value))
	if err != nil {
		panic(err)
	}
	return v.Value
}

// remove takes a member out, with its comma and, if it stands alone there, its
// lines. Comments stay.
func (o object) remove(name string) {
	i := o.index(name)
	if i < 0 {
		return
	}
	m, last := o.Members[i], i == len(o.Members)-1
	before := string(m.Name.BeforeExtra)
	if comment := string(m.Value.AfterExtra); strings.Contains(comment, "/") { // before the comma
		before += strings.TrimLeft(comment, " \t")
	}
	o.Members = slices.Delete(o.Members, i, i+1)
	switch {
	case !last:
		next := &o.Members[i].Name
		next.BeforeExtra = hujson.Extra(between(before, string(next.BeforeExtra), false))
		return
	case i > 0 && m.Value.AfterExtra != nil:
		o.Members[i-1].Value.AfterExtra = hujson.Extra{} // the comma at the end stays
	}
	o.AfterExtra = hujson.Extra(between(before, string(o.AfterExtra), true))
}

// between is what stands between two members, or a member and the bracket, once
// the one between before and after is gone: white space and comments alone.
func between(before, after string, last bool) string {
	switch {
	case strings.HasPrefix(strings.TrimLeft(after, " \t\r"), "\n"):
		return strings.TrimRight(before, " \t\r\n") + after
	case !last && !strings.Contains(after, "/"):
		return before
	case !strings.Contains(before, "/") && strings.TrimSpace(after) == "":
		return after
	}
	return before + strings.TrimLeft(after, " \t")
}
