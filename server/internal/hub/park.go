package hub

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

var (
	errNobody  = rpc.ErrCannotAsk
	errExpired = errors.New("the client did not answer in time")
	errGivenUp = errors.New("the client has begun too many other calls since")
)

// gather is how long questions that a server asks at once are waited for after
// the first of them, so that they go to the client together.
const gather = 25 * time.Millisecond

// park serves a client without a transport session by a server with: while
// the server waits for an answer, its call is held here, and the client is told
// what is asked and how to come back (MCP 2026-07-28, "Multi Round-Trip
// Requests").
func (h *Hub) park(ctx context.Context, c *gateway.Client, m mounted, method, target string, params object) (rpc.Object, error) {
	about := request{c.Caller.Session, m.server, method, target}
	if h.resumes(c, m, params) {
		return h.resume(ctx, c, about, params)
	}
	delete(params, "requestState")
	delete(params, "inputResponses") // answers to nothing
	// The call outlives the request it came with if it is parked.
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &parkedCall{about: about, cancel: cancel, client: c, capabilities: c.Capabilities, token: progressToken(params),
		asked: make(chan struct{}, 1), done: make(chan struct{}), pending: map[string]*question{}}
	go func() {
		defer close(s.done)
		s.result, s.err = h.o.Mounts.Call(running, m.server, seen(c, rpc.Legacy), method, encode(params), s)
		if cause := context.Cause(running); cause != nil { // a server may still have answered
			s.result, s.err = nil, cause
		}
		s.result, s.err = s.orLacking(s.result, s.err)
		cancel(nil)
	}()
	return h.await(ctx, s)
}

// request is what a requestState is good for, and nothing else.
type request struct{ session, server, method, target string }

// resumes reports whether a request goes on with a parked call. One that is to be
// made anew doesn't: it is a call like any other.
func (h *Hub) resumes(c *gateway.Client, m mounted, params object) bool {
	state, _ := params.text("requestState")
	return c.Era == rpc.Modern && m.cat.Speaks(c.Era) == rpc.Legacy && has(params["requestState"]) && state != anew
}

// resume gives a parked call the client's answers. The state that the client
// shows is a number that nobody can guess, which opens one call, once, for whom
// and for what it was made (MCP 2026-07-28, "Multi Round-Trip Requests").
func (h *Hub) resume(ctx context.Context, c *gateway.Client, about request, params object) (rpc.Object, error) {
	answers := fields(params["inputResponses"])
	if has(params["inputResponses"]) && answers == nil {
		return nil, invalid("inputResponses is no object")
	}
	ticket, _ := params.text("requestState")
	s := h.parked.take(ticket, about)
	if s == nil {
		return nil, invalid("requestState is not one of this request, was used already, or waited too long. Make the request anew, without it.")
	}
	s.goOn(c, progressToken(params), answers)
	return h.await(ctx, s)
}

// await waits until a call ends, or must ask its client something.
func (h *Hub) await(ctx context.Context, s *parkedCall) (rpc.Object, error) {
	for {
		select {
		case <-ctx.Done():
			s.cancel(ctx.Err())
			return nil, ctx.Err()
		case <-s.done:
			return s.result, s.err
		case <-s.asked:
		}
		select { // more questions may come at once, or the end
		case <-s.done:
			continue
		case <-time.After(gather):
		}
		questions := s.takeQuestions()
		if len(questions) == 0 {
			continue
		}
		ticket, err := h.parked.add(s)
		if err != nil {
			s.cancel(err)
			return nil, err
		}
		return inputRequired(questions, ticket), nil
	}
}

func inputRequired(questions object, state string) rpc.Object {
	return rpc.Object{}.With("requestState", rpc.Quote(state)).With("inputRequests", encode(questions)).With("resultType", rpc.Quote("input_required"))
}

// parkedCall is a call of a server that asks its client something, seen by the
// server as its client.
type parkedCall struct {
	about  request
	cancel context.CancelCauseFunc
	asked  chan struct{} // holds one: there are questions
	done   chan struct{} // closed once result and err are set
	result rpc.Object
	err    error
	token  json.RawMessage // progressToken that the server was given

	mu           sync.Mutex      // guards all below
	client       *gateway.Client // nil while no request waits for the call
	capabilities json.RawMessage // of the last client
	lacks        *rpc.Error      // what the server asked that the client can't answer
	renamed      json.RawMessage
	pending      map[string]*question
	count        int

	// Guarded by parkedCalls.
	ticket string
	since  uint64
	timer  *time.Timer
}

type question struct {
	method string
	params json.RawMessage
	answer chan json.RawMessage // holds one
}

// Notify passes on what the server says, as long as somebody listens.
func (s *parkedCall) Notify(method string, params json.RawMessage) {
	s.mu.Lock()
	c, token := s.client, s.renamed
	s.mu.Unlock()
	if c == nil {
		return
	}
	if method == "notifications/progress" && token != nil {
		params = rpc.Set(params, "progressToken", token)
	}
	c.Notify(method, params)
}

// Request is a question of the server.
func (s *parkedCall) Request(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if method == "roots/list" {
		return noRoots, nil
	}
	q := &question{method: method, params: params, answer: make(chan json.RawMessage, 1)}
	s.mu.Lock()
	if len(s.pending) >= maxQuestions || s.count >= maxRounds*maxQuestions {
		s.mu.Unlock()
		return nil, errNobody
	}
	if needs, err := refused(s.capabilities, method, params); err != nil {
		if s.lacks == nil {
			s.lacks = &rpc.Error{Code: rpc.CodeMissingCapability, Message: "The client lacks a capability that this needs: " + shorten(method),
				Data: encode(object{"requiredCapabilities": needs})}
		}
		s.mu.Unlock()
		return nil, err
	}
	s.count++
	id := "q" + strconv.Itoa(s.count)
	s.pending[id] = q
	s.mu.Unlock()
	select {
	case s.asked <- struct{}{}:
	default:
	}
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.pending, id)
		s.mu.Unlock()
		return nil, ctx.Err()
	}
}

// orLacking is the outcome of a call. Of one that failed after its server had
// asked what the client can't answer, that is the reason, in the client's words
// (MCP 2026-07-28, "Error Codes").
func (s *parkedCall) orLacking(result rpc.Object, err error) (rpc.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lacks == nil {
		return result, err
	}
	var own *rpc.Error
	if _, failure := saysOfItself(result); errors.As(err, &own) || err == nil && failure != nil {
		return nil, s.lacks
	}
	return result, err
}

func (s *parkedCall) takeQuestions() object {
	s.mu.Lock()
	defer s.mu.Unlock()
	questions := object{}
	for id, q := range s.pending {
		o := object{"method": rpc.Quote(q.method)}
		if has(q.params) {
			o["params"] = q.params
		}
		questions[id] = encode(o)
	}
	if len(questions) > 0 {
		s.client = nil
	}
	return questions
}

// goOn takes answers from the client that has come back. What it did not answer
// it is asked again.
func (s *parkedCall) goOn(c *gateway.Client, token json.RawMessage, answers object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.capabilities, s.renamed = c, c.Capabilities, nil
	if has(token) && has(s.token) && string(token) != string(s.token) {
		s.renamed = token
	}
	for id, answer := range answers {
		if q := s.pending[id]; q != nil {
			delete(s.pending, id)
			q.answer <- answer
		}
	}
	if len(s.pending) > 0 {
		select {
		case s.asked <- struct{}{}:
		default:
		}
	}
}

func progressToken(params object) json.RawMessage {
	return rpc.Get(params["_meta"], "progressToken")
}
