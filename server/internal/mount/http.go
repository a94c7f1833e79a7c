package mount

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// httpWire speaks Streamable HTTP of both eras: a request a POST, answered by a
// JSON body or a stream of events.
type httpWire struct {
	conv    *conversation
	url     string
	header  http.Header // of the settings, with their secrets
	ctx     context.Context
	quit    context.CancelFunc
	streams group // goroutines of requests and streams
	// endpoint is where requests are posted with HTTP+SSE, whose answers come on
	// its stream; set before the first.
	endpoint string

	mu      sync.Mutex // guards session
	session string     // Mcp-Session-Id (Legacy)
}

// start sends a request in the background.
func (w *httpWire) start(r *call) {
	header := w.headers(r.caller)
	if w.conv.era() == rpc.Modern {
		addMethod(header, r)
	}
	w.streams.start(func() {
		if err := w.exchange(r.ctx, r, header); err != nil { // which the end of the conversation ends
			r.inbox.finish(nil, err) // unless it was answered
		}
	})
}

// addMethod sets the headers that repeat the body (MCP 2026-07-28, "Standard
// Request Headers").
func addMethod(header http.Header, r *call) {
	header.Set("Mcp-Method", r.method)
	if member := map[string]string{"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}[r.method]; member != "" {
		name, _ := rpc.String(rpc.Get(r.params, member)) // the server says what is wrong with it
		header.Set("Mcp-Name", headerValue(name))
	}
	for name, values := range r.header {
		header[name] = values
	}
}

// headers are those of every request on behalf of caller.
func (w *httpWire) headers(caller *oauth.Caller) http.Header {
	h := w.header.Clone()
	set := w.conv.server.set
	if h.Get("Authorization") == "" && set.o.Identity != nil && caller.User.Sub != "" {
		if token, err := set.o.Identity(caller, w.url); err != nil {
			set.o.Log.Warn("no identity for a mounted server", "server", w.conv.server.name, "cause", err)
		} else if token != "" {
			h.Set("Authorization", "Bearer "+token)
		}
	}
	h.Set("User-Agent", "Drawbridge/"+set.o.Version)
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	if version := w.conv.speaks().version; version != "" {
		h.Set("MCP-Protocol-Version", version)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session != "" {
		h.Set("Mcp-Session-Id", w.session)
	}
	return h
}

// request sends one HTTP request of caller, which carries what they have at a
// server with a sign-in of its own. The server's word that it takes that no
// longer may have it sent once more with what is newer.
func (w *httpWire) request(ctx context.Context, caller *oauth.Caller, method string, header http.Header, body []byte) (*http.Response, error) {
	to, set, name := w.url, w.conv.server.set, w.conv.server.name
	if method == http.MethodPost && w.endpoint != "" {
		to = w.endpoint
	}
	signsIn := w.header.Get("Authorization") == ""
	if caller.User.Sub == "" && w.conv.private { // a handshake, or the lists that one person is offered
		caller = w.conv.client.caller()
	}
	for again := true; ; again = false {
		token := ""
		if signsIn {
			var err error
			if token, err = set.o.SignIns.Token(ctx, name, w.url, caller); err != nil {
				return nil, &failure{text: "can't be used with its sign-in now.", detail: status.FullStop(status.Capital(err.Error())), kind: unreachable, cause: err}
			}
		}
		req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header = header
		req.Header.Set(viaHeader, set.via(ctx))
		if token != "" {
			req.Header = header.Clone()
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := set.client.Do(req)
		if err != nil {
			return nil, err
		}
		if f := w.conv.server.reaches(resp.Header); f != nil {
			resp.Body.Close()
			return nil, f
		}
		if !signsIn {
			return resp, nil
		}
		retry, err := set.o.SignIns.Refused(ctx, name, w.url, caller, token, resp.StatusCode, resp.Header.Values("WWW-Authenticate"))
		if err == nil && !(retry && again) {
			return resp, nil
		}
		resp.Body.Close()
		if err != nil {
			return nil, w.conv.server.needs(err)
		}
	}
}

// needs is why a request got no answer while somebody has to sign in first: one
// person only, or the owner, without whom there is no server.
func (s *server) needs(err error) error {
	needed, ok := errors.AsType[*serverauth.Needed](err)
	switch {
	case !ok:
		return &failure{text: "can't be used with its sign-in now.", detail: status.FullStop(status.Capital(err.Error())), kind: unreachable, cause: err}
	case needed.Link != "":
		return s.errorf(needed, "%s", needed)
	}
	return &failure{text: needed.Error(), kind: lasting, cause: needed, status: http.StatusUnauthorized}
}

// exchange sends r and hands on all that comes of it. The error is why there is no
// answer.
func (w *httpWire) exchange(ctx context.Context, r *call, header http.Header) error {
	resp, err := w.request(ctx, r.caller, http.MethodPost, header, r.body())
	if err != nil {
		return w.failed(ctx, err)
	}
	defer resp.Body.Close()
	if r.method == "initialize" {
		w.begin(resp.Header.Get("Mcp-Session-Id"))
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode >= 300:
		return w.refusal(r, resp)
	case w.endpoint != "": // the answer comes on the stream
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBytes))
		return nil
	case kind == "text/event-stream":
		return w.follow(ctx, r, header, resp.Body)
	}
	return w.readAnswer(ctx, r, resp)
}

// begin keeps the id of a session, which is visible ASCII (MCP 2025-11-25,
// "Session Management").
func (w *httpWire) begin(session string) {
	if len(session) > 1024 || strings.ContainsFunc(session, func(c rune) bool { return c < 0x21 || c > 0x7e }) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.session = session
}

// failed notes that no answer came, and says why. When the network is the reason,
// the next call begins anew.
func (w *httpWire) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = w.unanswered(err)
	if f, ok := errors.AsType[*failure](err); ok {
		w.conv.broke(f)
	}
	return err
}

// unanswered is why there is no answer: what [httpWire.request] says, or the
// network.
func (w *httpWire) unanswered(err error) error {
	var f *failure
	var e *Error
	if errors.As(err, &f) || errors.As(err, &e) {
		return err
	}
	return noAnswer(w.url, err)
}

// refusal says what an answer that is an HTTP error means.
func (w *httpWire) refusal(r *call, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) // what came of it must do
	err := meaning(resp, body)
	if w.endsSession(r, resp.StatusCode, body) {
		w.conv.server.sessionEnded(w.conv)
		return fmt.Errorf("%w: %w", errSessionGone, err)
	}
	return err
}

func meaning(resp *http.Response, body []byte) error {
	said := errorIn(body)
	if isCode(said, rpc.CodeMethodNotFound) {
		return said
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return &failure{text: refused(resp.StatusCode, resp.Header.Values("WWW-Authenticate")), kind: lasting, status: resp.StatusCode}
	}
	if said != nil {
		return said // which is more than the status does
	}
	if f := redirect(resp); f != nil {
		return f
	}
	text := fmt.Sprintf("answered with HTTP status %d. Is its URL in mcp.json right?", resp.StatusCode)
	if plain := strings.ToLower(string(body)); resp.Request.URL.Scheme == "http" && strings.Contains(plain, "http request") && strings.Contains(plain, "https") { // the words of Go, nginx and Apache
		text = "can't be reached: it speaks https there, not http. Write https:// in its URL in mcp.json."
	}
	kind := lasting
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		kind = unreachable
	}
	return &failure{text: text, kind: kind, status: resp.StatusCode}
}

// refused says what to do about a 401 or 403 that no sign-in of ours cures.
func refused(code int, values []string) string {
	schemes := serverauth.Challenges(values)
	bearer, basic := schemes["bearer"], schemes["basic"]
	switch {
	case bearer["error"] == "insufficient_scope":
		return "refused its token, which allows too little. Set an Authorization header that allows more in mcp.json."
	case bearer == nil && basic != nil:
		return "needs a user name and a password. Set them as an Authorization header in mcp.json."
	case code == http.StatusForbidden:
		return "refused the request (403). Check the headers of the server in mcp.json."
	}
	return "refused the request (401). Set an Authorization header that it takes in mcp.json."
}

// errorIn reads a JSON-RPC error; its id may be missing.
func errorIn(body []byte) error {
	var m message
	if json.Unmarshal(body, &m) != nil || rpc.Given(m.Error) == nil || m.Error[0] != '{' {
		return nil
	}
	_, err := m.outcome("")
	return err
}

// readAnswer reads a JSON body.
func (w *httpWire) readAnswer(ctx context.Context, r *call, resp *http.Response) error {
	body, err := readBody(ctx, resp, limit.HoldOf(r.ctx))
	switch {
	case err != nil:
		return w.failed(ctx, err)
	case len(body) > maxMessage:
		return errTooBig()
	}
	messages, err := parse(body)
	switch {
	case err != nil:
		return &failure{text: "answered with what is no MCP message. Is its URL in mcp.json right?", kind: lasting, cause: err, status: http.StatusOK}
	case w.deniesSession(ctx, r, messages):
		return errSessionGone
	}
	for i := range messages {
		w.conv.receive(&messages[i], r)
	}
	return &failure{text: "gave no answer to the request.", kind: unreachable, status: http.StatusOK} // unless it did
}

// readBody reads a message, or what shows that it is too long. It takes room for
// a large one first.
func readBody(ctx context.Context, resp *http.Response, room *limit.Hold) ([]byte, error) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, limit.Free)); err != nil || b.Len() < limit.Free {
		return b.Bytes(), err
	}
	length := resp.ContentLength
	if length < 0 || length > maxMessage {
		length = maxMessage
	}
	if err := room.Take(ctx, length); err != nil {
		return nil, err
	}
	if resp.ContentLength > 0 {
		b.Grow(int(length) - b.Len() + bytes.MinRead)
	}
	_, err := b.ReadFrom(io.LimitReader(resp.Body, int64(maxMessage+1-b.Len())))
	room.Shrink(int64(b.Len()))
	return b.Bytes(), err
}

func errTooBig() *failure {
	return &failure{text: fmt.Sprintf("sent an answer of more than %d MiB, which was dropped. Ask it for less.", maxMessage>>20), kind: unreachable, status: http.StatusOK}
}

// cancel tells a legacy server; a modern one sees the stream close.
func (w *httpWire) cancel(r *call, message []byte) {
	if w.conv.era() == rpc.Modern || r.method == "initialize" {
		return
	}
	w.streams.start(func() { _ = w.tell(message) })
}

// tell sends a notification or an answer, and waits until the server has it.
func (w *httpWire) tell(message []byte) error {
	ctx, cancel := context.WithTimeout(w.ctx, goodbyeTime)
	defer cancel()
	resp, err := w.request(ctx, w.conv.client.caller(), http.MethodPost, w.headers(w.conv.client.caller()), message)
	if err != nil {
		return w.unanswered(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBytes)) // so that the connection is used again
	if resp.StatusCode >= 400 {
		w.conv.server.log.say("It did not take a message: HTTP status %d.", resp.StatusCode)
	}
	return nil
}

// close ends the session (MCP 2025-11-25, "Session Management").
func (w *httpWire) close() {
	w.mu.Lock()
	session := w.session
	w.mu.Unlock()
	if session != "" {
		ctx, cancel := context.WithTimeout(w.ctx, goodbyeTime)
		if resp, err := w.request(ctx, w.conv.client.caller(), http.MethodDelete, w.headers(w.conv.client.caller()), nil); err == nil {
			resp.Body.Close()
		}
		cancel()
	}
	w.quit()
	w.streams.wait()
}
