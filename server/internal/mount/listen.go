package mount

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/wait"
)

// filter is what a modern server is asked to tell (MCP 2026-07-28,
// "Notification Filter").
type filter struct {
	Tools     bool     `json:"toolsListChanged,omitempty"`
	Prompts   bool     `json:"promptsListChanged,omitempty"`
	Resources bool     `json:"resourcesListChanged,omitempty"`
	URIs      []string `json:"resourceSubscriptions,omitempty"`
}

// stream is one in which a modern server tells of changes: one of changes of the
// lists, for all, and one for each sign-in that watches a resource, in its name.
type stream struct {
	mu  sync.Mutex         // held while the stream is replaced
	end context.CancelFunc // guarded by mu
}

// wanted is what k should be told in c: changes of the lists that the server says
// it tells of, or of what the sign-in watches.
func (c *conversation) wanted(k key) filter {
	if k != everybody {
		return filter{URIs: c.server.watchedBy(k)}
	}
	type list struct {
		Changes bool `json:"listChanged"`
	}
	var has struct{ Tools, Prompts, Resources list }
	_ = json.Unmarshal(c.description.Capabilities, &has) // none that can be read is none
	return filter{Tools: has.Tools.Changes, Prompts: has.Prompts.Changes, Resources: has.Resources.Changes}
}

// listen opens a stream of what k wants now, and then ends the one before, so
// that nothing is missed between them. It returns once the server has agreed.
func (c *conversation) listen(ctx context.Context, k key, client Client) error {
	known, _ := c.streams.LoadOrStore(k, new(stream))
	own := known.(*stream)
	own.mu.Lock()
	defer own.mu.Unlock()
	if old := own.end; old != nil {
		// What it was told before the new one began may still be on its way.
		defer func() { time.AfterFunc(c.server.set.tune.settle, old) }()
		own.end = nil
	}
	want := c.wanted(k)
	if !want.Tools && !want.Prompts && !want.Resources && len(want.URIs) == 0 {
		c.streams.Delete(k)
		return nil
	}
	listening, cancel := context.WithCancel(c.server.ctx)
	r, err := c.begin(listening, client, "subscriptions/listen", encode(map[string]any{"notifications": want}), nil)
	if err != nil {
		cancel()
		return err
	}
	c.mu.Lock()
	r.watch = k
	c.mu.Unlock()
	c.link().start(r)
	ended := make(chan error, 1)
	go func() {
		_, err := c.finish(r)
		replaced := listening.Err() != nil
		cancel()
		ended <- err
		if !replaced {
			c.relisten(r, client, err)
		}
	}()
	select {
	case <-r.acked.Done():
		own.end = cancel
		return nil
	case err := <-ended:
		cancel()
		return err
	case <-ctx.Done():
		cancel()
		return ctx.Err()
	}
}

// relisten opens the stream again after the server, or the network, ended it.
// A server that did not agree to it is not asked again.
func (c *conversation) relisten(r *call, client Client, err error) {
	if r.acked.Err() == nil || isOwn(err) {
		return
	}
	for failures := 1; c.alive(); failures++ {
		if wait.For(c.server.ctx, c.server.set.tune.pause(failures)) != nil || !c.alive() {
			return
		}
		ctx, cancel := context.WithTimeout(c.server.ctx, 10*time.Second)
		err := c.listen(ctx, r.watch, client)
		cancel()
		if err == nil {
			c.server.listChanged(c) // something may have been missed
			return
		}
	}
}
