package config

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// jsonText is a JSON text that is edited member by member. Each edit parses it
// anew and leaves every byte alone that it need not touch.
type jsonText struct{ text string }

// at is the object that path leads to, or nil.
func (t *jsonText) at(path []string) *node {
	n, err := parseJSON([]byte(t.text))
	if err != nil {
		return nil // edited refuses such a text
	}
	for _, name := range path {
		if n = n.member(name); n == nil {
			return nil
		}
	}
	return n
}

// has reports whether the object at path has a member called name.
func (t *jsonText) has(path []string, name string) bool {
	n := t.at(path)
	return n != nil && n.member(name) != nil
}

func (t *jsonText) splice(from, to int, text string) { t.text = t.text[:from] + text + t.text[to:] }

// set gives name a value: in the place of the old one, else behind the last
// member, laid out like it.
func (t *jsonText) set(path []string, name, value string) {
	object := t.at(path)
	if object == nil || object.kind != jsonObject {
		return
	}
	if old := object.member(name); old != nil {
		t.splice(old.start, old.end, laidOut(value, t.indent(old.start)))
		return
	}
	quoted := must(marshalJSON(name))
	n := len(object.members)
	if n == 0 {
		outer := t.indent(object.start)
		t.splice(object.end-1, object.end-1, "\n"+outer+"  "+quoted+": "+laidOut(value, outer+"  ")+"\n"+outer)
		return
	}
	last := object.members[n-1]
	at, comma := last.value.end, t.comma(last.value.end)
	behind := max(at, comma+1)
	remark := t.remark(behind)
	text := " " + quoted + ": " + value
	if t.ownLine(last.at) || remark > behind {
		indent := t.indent(last.at)
		text = "\n" + indent + quoted + ": " + laidOut(value, indent)
	}
	if comma >= 0 { // the last has one already, and so has what comes
		t.splice(remark, remark, text+",")
		return
	}
	t.splice(remark, remark, text)
	t.splice(at, at, ",")
}

// remark is offset, or the end of the // comment that follows in its line and
// belongs to what stands before it.
func (t *jsonText) remark(offset int) int {
	line, _, _ := strings.Cut(t.text[offset:], "\n")
	if strings.HasPrefix(strings.TrimLeft(line, " \t"), "//") {
		return offset + len(strings.TrimRight(line, "\r"))
	}
	return offset
}

// laidOut is an object of objects in lines of their own.
func laidOut(value, indent string) string {
	var buf bytes.Buffer
	if !strings.HasPrefix(value, "{") || json.Indent(&buf, []byte(value), indent, "  ") != nil {
		return value
	}
	return buf.String()
}

// remove takes a member out, with its comma and, if it stands alone there, its
// lines. Comments stay.
func (t *jsonText) remove(path []string, name string) {
	object := t.at(path)
	if object == nil {
		return
	}
	i := slices.IndexFunc(object.members, func(m member) bool { return m.name == name })
	if i < 0 {
		return
	}
	from, to := object.members[i].at, object.members[i].value.end
	if comma := t.comma(to); comma >= 0 && strings.TrimSpace(t.text[to:comma]) == "" {
		to = comma + 1
	} else if comma >= 0 { // a comment stands before it
		t.splice(comma, comma+1, "")
	} else if i > 0 {
		comma := t.comma(object.members[i-1].value.end)
		t.splice(comma, comma+1, "")
		from, to = from-1, to-1
	}
	line := strings.LastIndexByte(t.text[:from], '\n') + 1
	end := to + len(t.text[to:]) - len(strings.TrimLeft(t.text[to:], " \t\r"))
	switch {
	case strings.TrimSpace(t.text[line:from]) == "" && end < len(t.text) && t.text[end] == '\n':
		from, to = line, end+1
	case to < len(t.text) && t.text[to] == ' ':
		to++
	}
	t.splice(from, to, "")
}

// comma is where the comma behind offset is, or -1.
func (t *jsonText) comma(offset int) int {
	p := &jsonParser{data: t.text, i: offset}
	if c, err := p.next(); err == nil && c == ',' {
		return p.i
	}
	return -1
}

// ownLine reports whether nothing stands before offset in its line.
func (t *jsonText) ownLine(offset int) bool {
	line := strings.LastIndexByte(t.text[:offset], '\n')
	return line >= 0 && strings.TrimSpace(t.text[line:offset]) == ""
}

// indent is the white space at the beginning of the line of offset.
func (t *jsonText) indent(offset int) string {
	line := t.text[strings.LastIndexByte(t.text[:offset], '\n')+1 : offset]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}
