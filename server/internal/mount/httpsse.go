package mount

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// HTTP+SSE is the transport of MCP 2024-11-05: one stream, opened with GET, on
// which the server says where requests are posted and then answers them. mcp-go
// has a client for it, whose lines have no bound and whose notifications lose
// integers past 2^53.

// offersSSE opens the stream if the server has one. A URL that ends in /sse is
// asked first, as others are only once they refused a POST.
func (w *httpWire) offersSSE(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, w.conv.server.set.tune.probe)
	defer cancel()
	return w.openSSE(ctx) == nil
}

func endsInSSE(rawURL string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/sse")
}

// refusesPost reports whether err of an initialize is one of the statuses after
// which a client tries HTTP+SSE (MCP 2025-11-25, "Backwards Compatibility").
func refusesPost(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && (f.status == http.StatusBadRequest || f.status == http.StatusNotFound || f.status == http.StatusMethodNotAllowed)
}

// openSSE opens the stream and waits until ctx ends for where to post.
func (w *httpWire) openSSE(ctx context.Context) error {
	stream, cancel := context.WithCancel(w.ctx)
	stop := context.AfterFunc(ctx, cancel)
	events, body, err := w.readEndpoint(stream)
	if !stop() && err == nil { // ctx ended in the last moment
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	w.streams.start(func() {
		defer cancel()
		defer body.Close()
		_ = w.events(stream, events, nil, &streamPlace{pause: time.Second})
		switch _, unused := w.conv.idle(); {
		case w.ctx.Err() != nil:
		case unused: // servers and proxies close what is quiet for long
			w.conv.server.sessionEnded(w.conv)
		default:
			w.conv.broke(&failure{text: "ended the stream on which it answers.", kind: crashed})
		}
	})
	return nil
}

func (w *httpWire) readEndpoint(ctx context.Context) (*eventReader, io.Closer, error) {
	resp, err := w.get(ctx, w.conv.client.caller(), w.headers(w.conv.client.caller()), "")
	if err != nil {
		return nil, nil, w.unanswered(err)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, nil, meaning(resp, body)
		}
		return nil, nil, &failure{text: `does not speak HTTP+SSE there. Correct its URL in mcp.json, or write "type": "http".`, kind: lasting, status: resp.StatusCode}
	}
	events := newEventReader(resp.Body)
	var ev event
	for ev.name != "endpoint" {
		if ev, err = events.next(); err != nil {
			resp.Body.Close()
			return nil, nil, noAnswer(w.url, err)
		}
	}
	to, err := resp.Request.URL.Parse(string(ev.data))
	if err != nil || to.Host != resp.Request.URL.Host || to.Scheme != resp.Request.URL.Scheme {
		resp.Body.Close()
		return nil, nil, &failure{text: "has its callers post to another place, which Drawbridge does not follow: their headers may be secret.", kind: lasting}
	}
	w.endpoint = to.String()
	return events, resp.Body, nil
}
