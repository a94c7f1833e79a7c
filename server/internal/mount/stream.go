package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/wait"
)

// maxResumes bounds how often the rest of one answer is asked for.
const maxResumes = 20

// follow reads the stream of r up to its answer. A legacy server may close the
// stream and have the client ask for the rest (MCP 2025-11-25, "Resumability
// and Redelivery").
func (w *httpWire) follow(ctx context.Context, r *call, header http.Header, body io.Reader) error {
	place := &streamPlace{pause: time.Second}
	for range maxResumes {
		err := w.events(ctx, newEventReader(body), r, place)
		halfway := &failure{text: "ended its answer halfway. Try again.", kind: unreachable, cause: err, status: http.StatusOK}
		switch {
		case r.inbox.isDone():
			return nil
		case errors.Is(err, errLongEvent):
			return errTooBig()
		case errors.Is(err, errSessionGone):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case w.conv.era() == rpc.Modern || place.id == "" || wait.For(ctx, place.pause) != nil:
			return halfway
		}
		resp, err := w.get(ctx, r.caller, header, place.id)
		if err != nil {
			return w.failed(ctx, err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return halfway
		}
		body = resp.Body
	}
	return &failure{text: "ended its answer halfway, again and again. Try again later.", kind: unreachable, status: http.StatusOK}
}

// streamPlace is how far a stream was read, and how long to wait before it is
// asked for the rest.
type streamPlace struct {
	id    string
	pause time.Duration
}

// events hands on what comes on a stream; r is nil on the one of no call.
func (w *httpWire) events(ctx context.Context, events *eventReader, r *call, place *streamPlace) error {
	room := limit.Answers.For(fmt.Sprintf("%s %p", w.conv.server.name, w.conv))
	if r != nil {
		room = limit.HoldOf(r.ctx)
	} else {
		defer room.Release()
	}
	events.lines.large = func() error { return room.Take(ctx, maxMessage) }
	for {
		ev, err := events.next()
		if err != nil {
			return err
		}
		if ev.id != "" {
			place.id = ev.id
		}
		if ev.retry > 0 {
			place.pause = min(ev.retry, w.conv.server.set.tune.maxPause)
		}
		if ev.name != "" && ev.name != "message" || len(ev.data) == 0 {
			continue
		}
		messages, err := parse(ev.data)
		if err != nil {
			continue
		}
		if r != nil && w.deniesSession(ctx, r, messages) {
			return errSessionGone
		}
		room.Shrink(int64(len(ev.data)))
		for i := range messages {
			if r == nil {
				w.conv.give(room, &messages[i], len(ev.data))
			}
			w.conv.receive(&messages[i], r)
		}
		if r != nil && r.inbox.isDone() {
			return nil
		}
		room.Shrink(0)
	}
}

// get asks for a stream of events.
func (w *httpWire) get(ctx context.Context, caller *oauth.Caller, header http.Header, last string) (*http.Response, error) {
	header = header.Clone()
	header.Del("Content-Type")
	header.Set("Accept", "text/event-stream")
	if last != "" {
		header.Set("Last-Event-ID", last)
	}
	return w.request(ctx, caller, http.MethodGet, header, nil)
}

// listen keeps open the stream on which a legacy server says what belongs to no
// call, if it offers one.
func (w *httpWire) listen() {
	place := &streamPlace{pause: time.Second}
	for failures, was := 1, false; ; failures++ {
		resp, err := w.get(w.ctx, w.conv.client.caller(), w.headers(w.conv.client.caller()), place.id)
		if err == nil {
			kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
			switch {
			case resp.StatusCode == http.StatusOK && kind == "text/event-stream":
				failures, was = 0, true
				_ = w.events(w.ctx, newEventReader(resp.Body), nil, place) // the stream ended; it is asked for again
			case was && refusesUnread(resp.StatusCode) && resp.StatusCode != http.StatusMethodNotAllowed:
				resp.Body.Close()
				w.conv.server.sessionEnded(w.conv)
				return
			case resp.StatusCode < 500:
				resp.Body.Close()
				return // it offers none (405), or not to us
			}
			resp.Body.Close()
		}
		if wait.For(w.ctx, max(place.pause, w.conv.server.set.tune.pause(failures))) != nil {
			return
		}
	}
}
