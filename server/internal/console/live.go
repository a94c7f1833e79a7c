package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/wait"
)

// ndjson is the type of a page's stream: one part of it a line.
const ndjson = "application/x-ndjson"

const (
	// pace is how long a stream waits at least between two looks.
	pace = 250 * time.Millisecond
	// tick is how often it looks although nothing woke it: times pass, and the
	// use of a session wakes nobody.
	tick = time.Second
	// beat is how often it says that it lives.
	beat = 15 * time.Second
)

// line is what a stream says: that a part is another now, or that it ends.
type line struct {
	Part  string `json:"part,omitempty"`
	HTML  string `json:"html,omitempty"`
	Title string `json:"title,omitempty"`
	End   string `json:"end,omitempty"` // a sentence
}

// live sends the parts of a page whenever one is another than before, until
// the browser leaves or the token ends.
func (c *Console) live(w http.ResponseWriter, r *Request, page *Page, v *visit) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(v.gone, cancel)()
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // when it passed, it would end r's context
	w.Header().Set("Content-Type", ndjson)

	sent := map[string]string{} // part → what the browser shows
	out := json.NewEncoder(w)
	wake := c.backend.Watch(ctx)
	for beaten := c.now(); ; {
		control.SetWriteDeadline(time.Now().Add(answerTime))
		if c.visitor(r.Request, false) == nil {
			out.Encode(line{End: r.Say("console.ended")})
			return
		}
		if c.page(page.Name) != page { // configured meanwhile, or no longer
			return
		}
		wrote, err := c.sendParts(out, r, page, sent)
		if err == nil && !wrote && c.now().Sub(beaten) > beat {
			wrote, err = true, out.Encode(line{})
		}
		if wrote {
			beaten = c.now()
			err = control.Flush()
		}
		if err != nil || wait.For(ctx, pace) != nil {
			return
		}
		select {
		case <-ctx.Done():
		case _, ok := <-wake:
			if !ok {
				wake = nil
			}
		case <-time.After(tick - pace):
		}
	}
}

// sendParts draws the parts of a page and sends those that are another than
// what was sent.
func (c *Console) sendParts(out *json.Encoder, r *Request, page *Page, sent map[string]string) (wrote bool, err error) {
	r.Now, r.Snap = c.now(), c.backend.Snapshot()
	v := c.view(r, page, "", false)
	for _, part := range append([]string{"nav"}, page.Parts...) {
		html, err := c.execute(r.Lang, part, v)
		if err != nil {
			c.log.Error("console: part not drawn", "part", part, "cause", err)
			return wrote, err
		}
		if sent[part] == html {
			continue
		}
		sent[part] = html
		if err := out.Encode(line{Part: part, HTML: html, Title: v.Title()}); err != nil {
			return wrote, err
		}
		wrote = true
	}
	return wrote, nil
}
