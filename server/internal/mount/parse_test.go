package mount

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"a":1.0}}`, `{"jsonrpc":"2.0","id":"a","method":"ping"}`,
		`{"id":null,"error":{"code":-32700,"message":"x","data":[]}}`, `[{"id":1,"result":null},{"method":"n"}]`,
		"Welcome!", "{}", "[]", "null", "\r\n\n", `{"id":1,"error":{"code":1.5}}`, `{"id":1e0,"result":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := newLineReader(bytes.NewReader(data), 64)
		for {
			line, cut, err := lines.next()
			if err == io.EOF {
				break
			}
			if err != nil || len(line) > 64 || bytes.ContainsAny(line, "\n") || cut && len(line) != 64 {
				t.Fatalf("line %q, cut %v, %v", line, cut, err)
			}
		}
		messages, err := parse(data)
		if err != nil {
			return
		}
		for i := range messages {
			m := &messages[i]
			if m.isAnswer() && m.ID == nil && m.Error == nil {
				t.Fatalf("an answer to nothing: %q", data)
			}
			if n, ok := m.number(); ok && n != 0 && strings.Trim(string(m.ID), `"+-.0123456789eE\u`) != "" {
				t.Fatalf("%s is the number %d", m.ID, n)
			}
			if result, err := m.outcome("tools/call"); err == nil && m.isAnswer() && !json.Valid(result.Raw()) {
				t.Fatalf("result %q", result.Raw())
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		"data: a\n\n", "event: message\r\nid: 1\r\ndata: a\r\ndata: b\r\n\r\n", ": comment\n\n", "data\n\nretry: 10\n\n",
		"\ufeffdata:x\n\n", "id: a\x00b\ndata: 1\n\ndata: unfinished", "retry: 99999999999999999999\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		events := newEventReader(bytes.NewReader(data))
		for n := 0; ; n++ {
			ev, err := events.next()
			if err != nil {
				return
			}
			if n > len(data) || len(ev.data) > len(data) || strings.ContainsRune(ev.id, 0) || ev.retry < 0 {
				t.Fatalf("%d events, the last %+v", n, ev)
			}
		}
	})
}

func TestEvents(t *testing.T) {
	events := newEventReader(strings.NewReader(": hi\n\nid: 7\nevent: message\nretry: 20\ndata: {\ndata:  }\r\n\r\ndata\n\ndata: lost"))
	ev, err := events.next()
	if err != nil || ev.id != "7" || ev.name != "message" || string(ev.data) != "{\n }" || ev.retry != 20e6 {
		t.Errorf("got %+v, %v", ev, err)
	}
	if ev, err = events.next(); err != nil || string(ev.data) != "" {
		t.Errorf("got %+v, %v", ev, err)
	}
	if _, err = events.next(); err != io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestHeaderValue(t *testing.T) {
	// MCP 2026-07-28, Streamable HTTP, "Value Encoding".
	for text, want := range map[string]string{
		"us-west1":            "us-west1",
		"Hello, 世界":           "=?base64?SGVsbG8sIOS4lueVjA==?=",
		" padded ":            "=?base64?IHBhZGRlZCA=?=",
		"line1\nline2":        "=?base64?bGluZTEKbGluZTI=?=",
		"=?base64?literal?=":  "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
		"a\tb":                "a\tb",
		"":                    "",
		"=?base64?unfinished": "=?base64?unfinished",
	} {
		if got := headerValue(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
