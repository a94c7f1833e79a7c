package mount

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// connect starts a process or a session and learns which era it speaks.
func (c *conversation) connect(ctx context.Context) error {
	if c.server.http {
		return c.connectHTTP(ctx)
	}
	if err := c.launch(ctx); err != nil {
		return err
	}
	if !c.probes {
		return c.initialize(ctx)
	}
	c.setProbing(true)
	err := c.meet(ctx)
	twice := errors.Is(err, errAskedTwice)
	if twice {
		c.link().close() // first: it may hold what the next one wants
	}
	switch ended := c.setProbing(false); {
	case twice:
		return c.meetAgain(ctx)
	case ended == nil:
		return err
	case err == nil:
		return ended
	}
	// It did not survive the question. A server that ends at a request before
	// initialize is a legacy one; any other ends again now.
	c.link().close()
	if err := c.launch(ctx); err != nil {
		return err
	}
	return c.initialize(ctx)
}

// launch starts the server's process.
func (c *conversation) launch(ctx context.Context) error {
	p, secrets, err := c.server.program(ctx)
	if err != nil {
		return err
	}
	proc, err := process.Start(p)
	if err != nil {
		c.server.log.say("It could not be started: %v", err)
		return &failure{text: "could not be started. Its log says why.", kind: lasting, cause: err}
	}
	w := &stdioWire{conv: c, proc: proc, wake: make(chan struct{}, 1), noted: make(chan struct{}), secrets: secrets}
	if err := c.use(w); err != nil {
		return err
	}
	w.busy.start(w.write)
	w.busy.start(w.read)
	w.busy.start(w.readNotes)
	return nil
}

// setProbing says whether the end of the wire is the end of the conversation,
// and returns how the wire ended if it has.
func (c *conversation) setProbing(on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing = on
	return c.wireEnd
}

// wireEnded notes that w carries nothing any more.
func (c *conversation) wireEnded(w wire, f *failure) {
	c.mu.Lock()
	current, probing := c.wire == w, c.probing
	if current {
		c.wireEnd = f
	}
	c.mu.Unlock()
	switch {
	case current && probing:
		c.abort(f)
	case current:
		c.broke(f)
	}
}

// answer is what came of a request.
type answer struct {
	result rpc.Object
	err    error
}

// send sends a request of our own; its answer comes on the channel.
func (c *conversation) send(ctx context.Context, method string, params json.RawMessage) <-chan answer {
	out := make(chan answer, 1)
	r, err := c.begin(ctx, Client{}, method, params, nil)
	if err != nil {
		out <- answer{nil, err}
		return out
	}
	c.link().start(r)
	go func() {
		result, err := c.finish(r)
		out <- answer{result, err}
	}()
	return out
}

// meet asks a process which era it is of (MCP 2026-07-28, stdio, "Backward
// Compatibility"). A server that doesn't answer soon ignores the question, or
// is slow to start; then it is asked in the old way too.
//
// From there on the connection is of the Legacy era if the server agrees. If it
// answers the first question after all, it is of both eras, and has bound the
// connection to what initialize said: taken for a modern one, it would ask in a
// way that nobody answers, and no subscription would begin. The error then is
// [errAskedTwice].
func (c *conversation) meet(ctx context.Context) error {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	c.speak(rpc.Modern, modernVersion)
	discovered := c.send(asking, "server/discover", nil)
	soon := time.NewTimer(c.server.set.tune.probe)
	defer soon.Stop()
	if c.server.eras().ownKey() == everybody {
		soon.Stop() // it is slow, no more
	}
	select {
	case a := <-discovered:
		if modern, err := c.acceptModern(a); modern || err != nil {
			return err
		}
		return c.initialize(ctx)
	case <-soon.C:
	}
	initialized := <-c.send(ctx, "initialize", c.initializeParams())
	if !isOwn(initialized.err) {
		select { // it was read first, and answered first
		case a := <-discovered:
			if modern, _ := c.acceptModern(a); modern {
				return errAskedTwice
			}
		case <-time.After(answersCross):
		}
		return c.acceptLegacy(initialized)
	}
	select { // a modern server that is slow to answer the first, as it seems
	case a := <-discovered:
		if modern, err := c.acceptModern(a); modern || err != nil {
			return err
		}
	case <-ctx.Done():
	}
	return c.acceptLegacy(initialized)
}

var errAskedTwice = errors.New("the server is of both eras, and was asked in both")

// answersCross is how far two answers to two requests may be apart that come
// in the other order.
const answersCross = 200 * time.Millisecond

// meetAgain starts a server anew that is modern and slow to start, as those are
// that a package manager fetches first, and waits until it says so.
func (c *conversation) meetAgain(ctx context.Context) error {
	if err := c.launch(ctx); err != nil {
		return err
	}
	c.speak(rpc.Modern, modernVersion)
	if modern, err := c.acceptModern(<-c.send(ctx, "server/discover", nil)); modern || err != nil {
		return err
	}
	return c.initialize(ctx)
}

// acceptModern reports whether a, of server/discover, is a modern server's.
func (c *conversation) acceptModern(a answer) (modern bool, err error) {
	var versions []string
	e, own := errors.AsType[*rpc.Error](a.err)
	switch {
	case a.err == nil:
		if json.Unmarshal(a.result.Get("supportedVersions"), &versions) != nil || len(versions) == 0 {
			return false, nil // a server that says yes to everything
		}
	case !own:
		return false, a.err
	case e.Code != rpc.CodeBadVersion || json.Unmarshal(rpc.Get(e.Data, "supported"), &versions) != nil:
		return false, nil
	}
	switch {
	case slices.Contains(versions, modernVersion) && a.err == nil:
	case slices.ContainsFunc(versions, isLegacyVersion):
		return false, nil
	default:
		return false, &failure{text: "speaks no protocol revision that Drawbridge knows. An update of either may help.", kind: lasting}
	}
	c.speak(rpc.Modern, modernVersion)
	c.description = described(a.result)
	if info := rpc.Get(a.result.Get("_meta"), metaServer); info != nil {
		c.description.ServerInfo = info
	}
	return true, nil
}

// described is what a server says of itself, without what no client can read:
// capabilities are objects, instructions a text.
func described(result rpc.Object) rpc.Description {
	all, err := asObject(result.Get("capabilities"))
	if err != nil {
		all = object{}
	}
	for name, value := range all {
		switch {
		case rpc.Given(value) == nil || string(value) == "false":
			delete(all, name)
		case !rpc.IsObject(value):
			all[name] = json.RawMessage("{}")
		}
	}
	instructions, _ := rpc.String(result.Get("instructions")) // no text is none
	return rpc.Description{Capabilities: encode(all), ServerInfo: result.Get("serverInfo"), Instructions: instructions}
}

func isLegacyVersion(v string) bool { return v >= "2024-11-05" && v < modernVersion }

// initialize is the handshake of the Legacy era.
func (c *conversation) initialize(ctx context.Context) error {
	return c.acceptLegacy(<-c.send(ctx, "initialize", c.initializeParams()))
}

// initializeParams declares what the client did, and says who it is. Drawbridge
// itself can be asked nothing.
func (c *conversation) initializeParams() json.RawMessage {
	info := c.server.set.info
	if c.client.Caller != nil {
		info = c.server.set.introduced(c.client.Info)
	}
	return encode(map[string]any{
		"protocolVersion": legacyVersion,
		"capabilities":    declared(c.client.Capabilities),
		"clientInfo":      info,
	})
}

func (c *conversation) acceptLegacy(a answer) error {
	if a.err != nil {
		if isOwn(a.err) {
			c.server.log.say("It refused to begin a conversation: %v", a.err)
		}
		return a.err
	}
	version, ok := rpc.String(a.result.Get("protocolVersion"))
	if !ok || !isLegacyVersion(version) {
		return &failure{text: "speaks no protocol revision that Drawbridge knows. An update of either may help.", kind: lasting}
	}
	c.speak(rpc.Legacy, version)
	c.description = described(a.result)
	return c.link().tell(outgoing{Method: "notifications/initialized"}.encode())
}

// connectHTTP finds out which era the server speaks, and begins a transport
// session with one of the Legacy era.
func (c *conversation) connectHTTP(ctx context.Context) error {
	conf, err := c.server.filled(ctx)
	if err != nil {
		return err
	}
	w := &httpWire{conv: c, url: conf.URL, header: make(http.Header)}
	for name, value := range conf.Headers {
		w.header.Set(name, value)
	}
	w.ctx, w.quit = context.WithCancel(context.Background())
	if err := c.use(w); err != nil {
		return err
	}
	if conf.SSE {
		if err := w.openSSE(ctx); err != nil {
			return err
		}
	}
	if w.endpoint != "" || endsInSSE(conf.URL) && w.offersSSE(ctx) {
		c.speak(rpc.Legacy, "")
		return c.initialize(ctx)
	}
	if c.probes {
		if modern, err := c.meetHTTP(ctx); modern || err != nil {
			return err
		}
	}
	c.speak(rpc.Legacy, "") // its revision is not known yet
	switch err := c.initialize(ctx); {
	case refusesPost(err) && w.offersSSE(ctx):
		return c.initialize(ctx)
	case err != nil:
		return err
	}
	w.streams.start(w.listen)
	return nil
}

// meetHTTP reports whether the server is modern (MCP 2026-07-28, Streamable
// HTTP, "Backward Compatibility"). Whatever else it answers, it is a legacy one.
func (c *conversation) meetHTTP(ctx context.Context) (modern bool, err error) {
	c.speak(rpc.Modern, modernVersion)
	probe, cancel := context.WithTimeout(ctx, 3*c.server.set.tune.probe)
	defer cancel()
	a := <-c.send(probe, "server/discover", nil)
	f, failed := errors.AsType[*failure](a.err)
	switch {
	case failed && f.status != 0 && f.status != http.StatusUnauthorized && f.status != http.StatusForbidden:
		return false, nil
	case errors.Is(a.err, context.DeadlineExceeded) && ctx.Err() == nil:
		return false, nil
	}
	return c.acceptModern(a)
}

// sessionEnded forgets a conversation whose session the server has ended, and
// begins another where somebody watches a resource.
func (s *server) sessionEnded(c *conversation) {
	if !c.retire() {
		return
	}
	s.mu.Lock()
	s.removeLocked(c)
	s.mu.Unlock()
	s.watchAgain()
}
