package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// answerWithin is how long a client may take to answer a request of the
// server. A person may have to read and decide first.
const answerWithin = 10 * time.Minute

var errNoAnswer = errors.New("the client did not answer in time")

// Request asks the client on the stream of its own request, and waits for the
// answer that it sends by POST (MCP 2025-11-25, "Sending Messages to the
// Server").
func (c *call) Request(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if c.session == nil || !c.isRequest() || !c.streams || !c.declares(method) {
		return nil, rpc.ErrCannotAsk
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, errNoAnswer)
	defer cancel()
	id, answers, err := c.session.ask()
	if err != nil {
		return nil, err
	}
	defer c.session.unask(id)
	if !c.event(request(id, method, params)) {
		return nil, c.lost()
	}
	select {
	case a := <-answers:
		return a.read()
	case <-c.ctx.Done():
		return nil, c.lost()
	case <-ctx.Done():
		c.event(notification("notifications/cancelled", json.RawMessage(fmt.Sprintf(`{"requestId":%d}`, id))))
		return nil, context.Cause(ctx)
	}
}

func (c *call) lost() error {
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	return errGone // the answer has been sent
}

// declares reports whether the client said that it can be asked that.
func (c *call) declares(method string) bool {
	feature, _, _ := strings.Cut(method, "/")
	switch feature {
	case "sampling", "elicitation", "roots":
		return rpc.Get(c.Capabilities, feature) != nil
	}
	return true
}

func request(id int64, method string, params json.RawMessage) []byte {
	n := notification(method, params)
	return append([]byte(`{"jsonrpc":"2.0","id":`+strconv.FormatInt(id, 10)+`,`), n[len(`{"jsonrpc":"2.0",`):]...)
}

func (a answer) read() (json.RawMessage, error) {
	if a.err == nil {
		return a.result, nil
	}
	var said rpc.Error
	if err := json.Unmarshal(a.err, &said); err != nil {
		return nil, fmt.Errorf("read the client's error: %w", err)
	}
	return nil, &said
}
