package gateway

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// It handles clients that ask for large answers and never read them: while
// somebody waits for the room that they take up they are cut, as JSON and as a
// stream, alone and in a batch, and the others get theirs whole.
func TestWhoDoesNotReadIsCut(t *testing.T) {
	for what, accept := range map[string]string{"JSON": "Accept: application/json", "a stream": "Accept: text/event-stream", "a batch": "Accept: text/event-stream"} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			big := said(strings.Repeat("x", 15<<20))
			r.tool("big", func(context.Context, *Client, json.RawMessage) (json.RawMessage, error) { return big, nil })
			var deaf []io.Reader
			for _, who := range []string{"X-Caller: anew", "X-Caller: bob"} {
				body, headers := stateless("big", "{}")
				if what == "a batch" {
					session := "Mcp-Session-Id: " + r.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{}}}`, who).Header.Get("Mcp-Session-Id")
					body, headers = "["+legacy("big", "{}")+"]", []string{session}
				}
				deaf = append(deaf, r.post(body, append(headers, accept, who)...).Body)
			}
			body, headers := stateless("big", "{}")
			if got := text(t, r.post(body, headers...)); len(got) < len(big) {
				t.Errorf("the one that reads gets %d bytes", len(got))
			}
			for i, body := range deaf {
				if n, err := io.Copy(io.Discard, body); err == nil && i == 0 {
					t.Errorf("the first that does not read was not cut: %d bytes", n)
				}
			}
		})
	}
}
