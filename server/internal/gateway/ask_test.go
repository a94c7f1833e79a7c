package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// It handles a server that asks the client while it answers it: the request
// comes on the call's own stream, and the answer by POST.
func TestRequestToTheClient(t *testing.T) {
	r := newRig(t)
	r.tool("ask", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		var all []string
		for range 2 {
			result, err := c.Request(ctx, "sampling/createMessage", json.RawMessage("{\"maxTokens\":\n5}"))
			var theirs *rpc.Error
			switch {
			case errors.As(err, &theirs):
				all = append(all, fmt.Sprint(theirs.Code, " ", theirs.Message, " ", string(theirs.Data)))
			case err != nil:
				return nil, err
			default:
				all = append(all, string(result))
			}
		}
		return said(strings.Join(all, "; ")), nil
	})
	session := r.open()
	s := newEvents(t, r.post(legacy("ask", "{}"), session))
	answers := []string{`"result":{"text":1.0}`, `"error":{"code":-1,"message":"no","data":[ 2 ]}`}
	for _, answer := range answers {
		m, _ := s.next()
		if m.Method != "sampling/createMessage" || string(m.Params) != `{"maxTokens": 5}` || len(m.ID) == 0 {
			t.Fatalf("asked %+v", m)
		}
		body := `{"jsonrpc":"2.0","id":` + string(m.ID) + `,` + answer + `}`
		// Another session's answer, of the same grant even, is none.
		for _, other := range []string{r.open(), session} {
			if got := r.post(body, other).StatusCode; got != 202 { // TL-3
				t.Errorf("answer: %d", got)
			}
		}
		if got := r.post(body, session).StatusCode; got != 202 { // a second time, too late
			t.Errorf("second answer: %d", got)
		}
	}
	if last, _ := s.next(); last.text() != `{"text":1.0}; -1 no [ 2 ]` {
		t.Errorf("%q", last.text())
	}
}

// It handles clients that can't be asked.
func TestCannotAsk(t *testing.T) {
	r := newRig(t)
	r.tool("ask", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		_, err := c.Request(ctx, "elicitation/create", nil)
		if !errors.Is(err, rpc.ErrCannotAsk) {
			t.Errorf("asked: %v", err)
		}
		return said("done"), nil
	})
	for name, ask := range map[string]func() []reply{
		"2026-07-28":         func() []reply { return r.call(modern, "", "ask", "{}") },
		"it never said so":   func() []reply { return r.call("", r.initialize(), "ask", "{}") },
		"it takes JSON only": func() []reply { return messages(t, r.post(legacy("ask", "{}"), r.open(), "Accept: application/json")) },
	} {
		if list := ask(); len(list) != 1 || list[0].text() != "done" {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// It handles a question whose asker gives up: the client is told, and the call
// goes on.
func TestQuestionIsGivenUp(t *testing.T) {
	r := newRig(t)
	r.tool("ask", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		short, cancel := context.WithCancel(ctx)
		cancel()
		_, err := c.Request(short, "elicitation/create", nil)
		return said(err.Error()), nil
	})
	list := r.call("", r.open(), "ask", "{}")
	if len(list) != 3 || list[1].Method != "notifications/cancelled" || string(list[1].Params) != `{"requestId":`+string(list[0].ID)+`}` || list[2].text() != "context canceled" {
		t.Errorf("%+v", list)
	}
}

// It handles notifications/cancelled: the call ends, and nothing more is sent
// for it.
func TestCancel(t *testing.T) {
	r := newRig(t)
	began, cancelled := make(chan struct{}), make(chan struct{})
	notifies := false
	r.tool("wait", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		if notifies {
			progress(c, 1)
		}
		began <- struct{}{}
		<-ctx.Done()
		progress(c, 2)
		_, err := c.Request(context.Background(), "ping", nil)
		if err == nil {
			t.Error("asked after the cancellation")
		}
		cancelled <- struct{}{}
		return said("too late"), nil
	})
	session, other := r.open(), r.open()
	for _, notifies = range []bool{false, true} {
		answer := make(chan []reply)
		go func() { answer <- r.call("", session, "wait", "{}") }()
		<-began
		const cancel = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`
		r.post(cancel, other) // whose requests have numbers of their own
		r.post(strings.Replace(cancel, "7", `"7"`, 1), session)
		select {
		case <-cancelled:
			t.Fatal("cancelled by another session, or for another id")
		default:
		}
		r.post(cancel, session)
		<-cancelled
		want := 0
		if notifies {
			want = 1
		}
		if list := <-answer; len(list) != want {
			t.Errorf("%+v, want %d messages", list, want)
		}
	}
}

// It handles a session that ends while a call runs: the call ends too.
func TestDeleteDuringCall(t *testing.T) {
	r := newRig(t)
	began := make(chan struct{})
	r.tool("wait", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	session := r.open()
	status := make(chan int)
	go func() { status <- r.post(legacy("wait", "{}"), session).StatusCode }()
	<-began
	r.do("DELETE", nil, session)
	if got := <-status; got != 404 {
		t.Errorf("%d", got)
	}
}
