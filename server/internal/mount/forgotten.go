package mount

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// A server that was started again does not know the transport sessions of the
// one before. It must say so with 404 (MCP 2025-11-25, "Session Management");
// many say it in words of their own, which may also be a tool's that has done its
// work. So, unless it is 404, the session is asked for something that needs no more
// than it is. If it is over, a new one begins and the request is sent once more,
// which is safe because it was refused unread.

// refusesUnread reports whether a status says that the request was not looked
// at. 401 and 403 are about who asks, 429 about when.
func refusesUnread(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusUnauthorized && status != http.StatusForbidden && status != http.StatusTooManyRequests
}

// sessionWord finds an error that speaks of the session, or of the handshake that
// begins one.
var sessionWord = regexp.MustCompile(`(?i)session|not (yet )?initiali[sz]ed|before initiali[sz]`)

func (w *httpWire) inSession(r *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.session != "" && r.method != "initialize"
}

// endsSession reports whether an answer that is an HTTP error says that the
// session is over.
func (w *httpWire) endsSession(r *call, status int, body []byte) bool {
	switch {
	case !w.inSession(r):
		return false
	case status == http.StatusNotFound && !isCode(errorIn(body), rpc.CodeMethodNotFound):
		return true
	case refusesUnread(status) && !answers(body, r), (refusesUnread(status) || status >= 500) && sessionWord.Match(body):
		return r.method == "ping" || w.isLost(r.ctx)
	}
	return false
}

// answers reports whether body is an error that names the request: the server
// has read it.
func answers(body []byte, r *call) bool {
	messages, err := parse(body)
	if err != nil {
		return false
	}
	id, ok := messages[0].number()
	return ok && id == r.id
}

// deniesSession reports whether an answer with status 200 is an error that says
// so.
func (w *httpWire) deniesSession(ctx context.Context, r *call, messages []message) bool {
	if len(messages) != 1 || !messages[0].isAnswer() || messages[0].Error == nil || !sessionWord.Match(messages[0].Error) || !w.inSession(r) ||
		r.method != "ping" && !w.isLost(ctx) {
		return false
	}
	w.conv.server.sessionEnded(w.conv)
	return true
}

// pingTime bounds how long the answer to a ping is waited for.
const pingTime = 10 * time.Second

// isLost reports whether a ping, too, is answered with that the session is over.
func (w *httpWire) isLost(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	_, err := w.conv.do(ctx, w.conv.client, "ping", nil, nil)
	return errors.Is(err, errSessionGone) || isOwn(err) && sessionWord.MatchString(err.Error())
}

// retire has no new call come to c, and ends it with the last that is under way:
// those may be running, so they must be neither cut nor sent again. It reports
// whether c was open until now.
func (c *conversation) retire() bool {
	c.mu.Lock()
	first, open, idle := c.over == nil && !c.retired, c.isOpen, len(c.calls) == 0
	c.retired = true
	c.mu.Unlock()
	if first && (!open || idle) {
		c.end(errSessionGone)
	}
	return first && open
}
