package mount

import (
	"context"
	"encoding/json"
	"time"
)

// filter is what a modern server is asked to tell (MCP 2026-07-28,
// "Notification Filter").
type filter struct {
	Tools     bool     `json:"toolsListChanged,omitempty"`
	Prompts   bool     `json:"promptsListChanged,omitempty"`
	Resources bool     `json:"resourcesListChanged,omitempty"`
	URIs      []string `json:"resourceSubscriptions,omitempty"`
}

// wanted is what c should be told: changes of the lists that the server says
// it tells of, and of what the person watches.
func (c *conversation) wanted() filter {
	type list struct {
		Changes bool `json:"listChanged"`
	}
	var has struct{ Tools, Prompts, Resources list }
	_ = json.Unmarshal(c.description.Capabilities, &has) // none that can be read is none
	c.server.mu.Lock()
	sub := c.sub
	c.server.mu.Unlock()
	return filter{has.Tools.Changes, has.Prompts.Changes, has.Resources.Changes, c.server.watchedBy(sub)}
}

// listen opens a stream of what is wanted now, and then ends the one before, so
// that nothing is missed between them. It returns once the server has agreed.
func (c *conversation) listen(ctx context.Context) error {
	c.listening.Lock()
	defer c.listening.Unlock()
	if old := c.unlisten; old != nil {
		// What it was told before the new one began may still be on its way.
		defer func() { time.AfterFunc(c.server.set.tune.settle, old) }()
		c.unlisten = nil
	}
	want := c.wanted()
	if !want.Tools && !want.Prompts && !want.Resources && len(want.URIs) == 0 {
		return nil
	}
	stream, cancel := context.WithCancel(c.server.ctx)
	r, err := c.begin(stream, nil, "subscriptions/listen", encode(map[string]any{"notifications": want}), nil)
	if err != nil {
		cancel()
		return err
	}
	c.link().start(r)
	ended := make(chan error, 1)
	go func() {
		_, err := c.finish(r)
		replaced := stream.Err() != nil
		cancel()
		ended <- err
		if !replaced {
			c.relisten(r, err)
		}
	}()
	select {
	case <-r.acked:
		c.unlisten = cancel
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
func (c *conversation) relisten(r *call, err error) {
	c.mu.Lock()
	agreed := false
	select {
	case <-r.acked:
		agreed = true
	default:
	}
	c.mu.Unlock()
	if !agreed || isOwn(err) {
		return
	}
	for failures := 1; c.alive(); failures++ {
		if sleep(c.server.ctx, c.server.set.tune.pause(failures)) != nil || !c.alive() {
			return
		}
		ctx, cancel := context.WithTimeout(c.server.ctx, 10*time.Second)
		err := c.listen(ctx)
		cancel()
		if err == nil {
			c.server.listChanged() // something may have been missed
			return
		}
	}
}
