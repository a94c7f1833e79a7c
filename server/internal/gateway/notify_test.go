package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

func progress(c *Client, i int) {
	c.Notify("notifications/progress", json.RawMessage(fmt.Sprintf("{\"progressToken\":\"p\",\n\"progress\":%d,\"message\":\"x\"}", i)))
}

// addNotifier adds a tool that sends n progress and log messages and returns
// at once.
func addNotifier(r *rig, n int) {
	r.tool("notifier", func(ctx context.Context, c *Client, args json.RawMessage) (json.RawMessage, error) {
		for i := range n {
			progress(c, i)
		}
		return said("done"), nil
	})
}

// It handles a tool whose last notification comes just before its answer
// (MCP 2026-07-28 "Receiving Messages": related notifications come before the
// response, on the request's own stream).
func TestNoNotificationIsLost(t *testing.T) {
	for _, era := range []string{"2025-11-25", modern} {
		t.Run(era, func(t *testing.T) {
			r := newRig(t)
			addNotifier(r, 3)
			session := r.initialize()
			for range 200 {
				wantProgress(t, r.call(era, session, "notifier", "{}"), 3)
			}
		})
	}
}

// It handles more notifications than any buffer holds, by making the tool wait.
func TestManyNotifications(t *testing.T) {
	r := newRig(t)
	addNotifier(r, 5000)
	wantProgress(t, r.call(modern, "", "notifier", "{}"), 5000)
}

// It handles calls side by side in one transport session, beside an open GET
// stream: each notification comes on the stream of its own request (TR-7,
// TL-5).
func TestNotificationsStayWithTheirRequest(t *testing.T) {
	r := newRig(t)
	r.tool("mine", func(ctx context.Context, c *Client, args json.RawMessage) (json.RawMessage, error) {
		for range 3 {
			c.Notify("notifications/progress", json.RawMessage(`{"progressToken":`+string(rpc.Get(args, "token"))+`}`))
		}
		return said("done"), nil
	})
	session := r.initialize()
	r.do("GET", nil, session)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			token := fmt.Sprintf("t%d", i)
			list := r.call("2025-11-25", session, "mine", `{"token":"`+token+`"}`)
			if len(list) != 4 {
				t.Errorf("%s: %d messages", token, len(list))
			}
			for _, m := range list[:len(list)-1] {
				if !strings.Contains(string(m.Params), `"`+token+`"`) {
					t.Errorf("%s got %s", token, m.Params)
				}
			}
		})
	}
	wg.Wait()
}

// It handles a client that takes no stream: it gets its answer as JSON.
func TestNoStreamForWhoTakesNone(t *testing.T) {
	r := newRig(t)
	addNotifier(r, 3)
	resp := r.post(legacy("notifier", "{}"), r.initialize(), "Accept: application/json")
	if kind := resp.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type %q", kind)
	}
	if list := messages(t, resp); len(list) != 1 || list[0].text() != "done" {
		t.Errorf("got %+v", list)
	}
}

// It handles a client that takes nothing but a stream, and a GET that takes
// none.
func TestAcceptedForms(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	resp := r.post(legacy("echo", `{"message":"x"}`), session, "Accept: text/event-stream")
	wantStream(t, resp.Header)
	if list := messages(t, resp); len(list) != 1 || list[0].text() != "Echo: x" {
		t.Errorf("got %+v", list)
	}
	if got := r.do("GET", nil, session, "Accept: application/json").StatusCode; got != 406 {
		t.Errorf("GET: %d", got)
	}
}

// It handles a client that vanishes while it is sent something: the call ends.
func TestClientVanishes(t *testing.T) {
	for _, era := range []string{"2025-11-25", modern} {
		r := newRig(t)
		over := make(chan struct{})
		r.tool("endless", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
			defer close(over)
			for ctx.Err() == nil {
				progress(c, 1)
			}
			return nil, ctx.Err()
		})
		body, headers := legacy("endless", "{}"), []string{r.initialize()}
		if era == modern {
			body, headers = stateless("endless", "{}")
		}
		resp := r.post(body, headers...)
		newEvents(t, resp).next()
		resp.Body.Close() // TR-12
		<-over
	}
}

// It handles a notification sent after the answer: nothing comes of it
// (TR-12).
func TestNothingAfterTheAnswer(t *testing.T) {
	r := newRig(t)
	late := make(chan error, 1)
	answered := make(chan struct{})
	r.tool("late", func(ctx context.Context, c *Client, args json.RawMessage) (json.RawMessage, error) {
		go func() {
			<-answered
			progress(c, 1)
			_, err := c.Request(t.Context(), "ping", nil)
			late <- err
		}()
		return said("done"), nil
	})
	list := r.call(modern, "", "late", "{}")
	close(answered)
	if err := <-late; err == nil {
		t.Error("a notification was taken after the answer")
	}
	if len(list) != 1 {
		t.Errorf("%d messages", len(list))
	}
}

func wantProgress(t *testing.T, list []reply, n int) {
	t.Helper()
	if len(list) != n+1 {
		t.Fatalf("%d messages, want %d and the answer", len(list), n)
	}
	for i, m := range list[:n] {
		if m.Method != "notifications/progress" || !strings.Contains(string(m.Params), fmt.Sprintf(`"progress":%d,`, i)) {
			t.Fatalf("message %d is %s %s", i, m.Method, m.Params)
		}
	}
	if last := list[n]; last.text() != "done" || string(last.ID) != "7" {
		t.Fatalf("answer %+v", last)
	}
}

// It handles silence: comments keep streams alive, also of a call that has
// been silent from the start, and no frame is torn (TR-11).
func TestKeepAlive(t *testing.T) {
	r := newRig(t, func(o *EndpointOptions) { o.KeepAlive = 4 * time.Millisecond })
	session := r.initialize()
	for _, era := range []string{"2025-11-25", modern} {
		for _, notifies := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s notifies=%t", era, notifies), func(t *testing.T) {
				release := make(chan struct{})
				r.tool("slow", func(ctx context.Context, c *Client, args json.RawMessage) (json.RawMessage, error) {
					for i := 0; notifies; i++ {
						progress(c, i)
						select {
						case <-release:
							return said("done"), nil
						default:
						}
					}
					<-release
					return said("done"), nil
				})
				var body string
				var headers []string
				if era == modern {
					body, headers = stateless("slow", "{}")
				} else {
					body, headers = legacy("slow", "{}"), []string{session}
				}
				resp := r.post(body, headers...)
				wantStream(t, resp.Header)
				s := newEvents(t, resp)
				if !notifies {
					for s.comments < 3 {
						s.comment()
					}
				} else {
					for range 50 {
						s.next()
					}
				}
				close(release)
				var last reply
				for m, ok := s.next(); ok; m, ok = s.next() {
					last = m
				}
				if last.text() != "done" {
					t.Errorf("answer %+v", last)
				}
			})
		}
	}
	t.Run("GET", func(t *testing.T) {
		resp := r.do("GET", nil, session)
		wantStream(t, resp.Header)
		s := newEvents(t, resp)
		for s.comments < 3 {
			s.comment()
		}
	})
	t.Run("subscriptions/listen", func(t *testing.T) {
		s := newEvents(t, r.listen(`{"toolsListChanged":true}`))
		for s.comments < 3 {
			s.comment()
		}
	})
}
