package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/wait"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Status returns what `drawbridge status` prints.
func (c *Client) Status(ctx context.Context) (s status.Status, err error) {
	return s, c.do(ctx, "GET", "/api/status", nil, &s)
}

// Sessions returns the live sessions, newest first.
func (c *Client) Sessions(ctx context.Context) (list []status.Session, err error) {
	return list, c.do(ctx, "GET", "/api/sessions", nil, &list)
}

// Clients returns the programs that somebody has signed in with.
func (c *Client) Clients(ctx context.Context) (list []status.Client, err error) {
	return list, c.do(ctx, "GET", "/api/clients", nil, &list)
}

// Attempts returns the latest attempts to connect, newest first.
func (c *Client) Attempts(ctx context.Context) (list []status.Attempt, err error) {
	return list, c.do(ctx, "GET", "/api/attempts", nil, &list)
}

// Events returns the history, oldest first.
func (c *Client) Events(ctx context.Context) (list []status.Event, err error) {
	err = c.stream(ctx, "/api/events", func(ev status.Event) error {
		list = append(list, ev)
		return nil
	})
	return list, err
}

// Follow calls fn for each event of the history, oldest first, and then for
// each as it comes, until ctx ends (nil), fn fails (its error) or Drawbridge
// stops (a sentence).
func (c *Client) Follow(ctx context.Context, fn func(status.Event) error) error {
	err := c.stream(ctx, "/api/events/follow", fn)
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return message(ErrNotRunning, "end")
	}
	return err
}

// Revoke ends one session. The error is [ErrNotFound] in a sentence if id is no
// live session's.
func (c *Client) Revoke(ctx context.Context, id string) error {
	return c.about(ctx, "revoke", "session", id, nil)
}

// AddClient adds a client and returns its secret, which can't be had again; "" if
// it has keys of its own.
func (c *Client) AddClient(ctx context.Context, client status.NewClient) (added status.Client, secret string, err error) {
	var answer clientSecret
	err = c.do(ctx, "POST", "/api/clients/add", client, &answer)
	return answer.Client, answer.Secret, err
}

// RotateClient gives the added client of that id or name another secret, and says
// until when the one before works too. The error is [ErrNotFound] in a sentence if
// there is none.
func (c *Client) RotateClient(ctx context.Context, client string) (secret string, oldUntil time.Time, err error) {
	var answer clientSecret
	err = c.about(ctx, "clients/rotate", "client", client, &answer)
	return answer.Secret, answer.OldUntil, err
}

// DeleteClient forgets the added client of that id or name and ends its sessions.
// The error is [ErrNotFound] in a sentence if there is none.
func (c *Client) DeleteClient(ctx context.Context, client string) error {
	return c.about(ctx, "clients/delete", "client", client, nil)
}

// Blocked returns who is kept out with which client, newest first.
func (c *Client) Blocked(ctx context.Context) (list []status.Block, err error) {
	return list, c.do(ctx, "GET", "/api/blocked", nil, &list)
}

// Unblock lets a person come back with a client. The error is [ErrNotFound] in a
// sentence if id is no block's.
func (c *Client) Unblock(ctx context.Context, id string) error {
	return c.about(ctx, "unblock", "block", id, nil)
}

// about sends what is about one thing; kind is how the sentence names it that it
// is not there.
func (c *Client) about(ctx context.Context, path, kind, id string, out any) error {
	err := c.do(ctx, "POST", "/api/"+path, map[string]string{"id": id}, out)
	if errors.Is(err, ErrNotFound) {
		return message(ErrNotFound, kind, status.Clean(id, 64))
	}
	return err
}

// EndLeave has a session ask about each call of a tool again. The error is
// [ErrNotFound] in a sentence if it has to already.
func (c *Client) EndLeave(ctx context.Context, id, server, tool string) error {
	err := c.do(ctx, "POST", "/api/end-leave", map[string]string{"id": id, "server": server, "tool": tool}, nil)
	if errors.Is(err, ErrNotFound) {
		return message(ErrNotFound, "leave", status.Clean(id, 64), status.Clean(server+"/"+tool, 200))
	}
	return err
}

// RevokeAll ends all sessions and returns how many there were. They have ended at
// once; that it is on disk may take a while if there are many.
func (c *Client) RevokeAll(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*answerTime)
	defer cancel()
	var answer map[string]int
	err := c.do(ctx, "POST", "/api/revoke-all", nil, &answer)
	return answer["revoked"], err
}

// Pause closes the tunnel: nobody gets in until Resume.
func (c *Client) Pause(ctx context.Context) error { return c.do(ctx, "POST", "/api/pause", nil, nil) }

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context) error { return c.do(ctx, "POST", "/api/resume", nil, nil) }

// Quit ends the running instance, and returns when it answers no more.
func (c *Client) Quit(ctx context.Context) error {
	err := c.do(ctx, "POST", "/api/quit", nil, nil)
	for err == nil {
		if _, err = c.Status(ctx); err == nil {
			err = wait.For(ctx, 50*time.Millisecond)
		}
	}
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	return err
}

// RetryTunnel has the tunnel opened now, also after an error that stopped all
// attempts.
func (c *Client) RetryTunnel(ctx context.Context) error {
	return c.do(ctx, "POST", "/api/tunnel/retry", nil, nil)
}

// AcceptURL takes the other public URL that the tunnel gives, and returns what
// to do next.
func (c *Client) AcceptURL(ctx context.Context) (string, error) {
	var answer map[string]string
	err := c.do(ctx, "POST", "/api/tunnel/accept", nil, &answer)
	return answer["next"], err
}

// CopyState has the running instance put a copy of its state file, sealed as it
// is, beside it. The caller takes it away.
func (c *Client) CopyState(ctx context.Context) (path string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*answerTime)
	defer cancel()
	var answer map[string]string
	err = c.do(ctx, "POST", "/api/backup", nil, &answer)
	return answer["path"], err
}

// Doctor has the running instance check itself and returns each check's result.
func (c *Client) Doctor(ctx context.Context) (list []status.Check, err error) {
	ctx, cancel := context.WithTimeout(ctx, doctorTime+answerTime)
	defer cancel()
	return list, c.do(ctx, "POST", "/api/doctor", nil, &list)
}

// ConsoleLink returns an address of the console that works once, within a
// minute.
func (c *Client) ConsoleLink(ctx context.Context) (string, error) {
	var answer map[string]string
	err := c.do(ctx, "POST", "/api/console", nil, &answer)
	return answer["url"], err
}

// Logs returns what a mounted server wrote, oldest first. The error is
// [ErrNotFound] in a sentence if there is none of that name.
func (c *Client) Logs(ctx context.Context, server string) (list []status.LogLine, err error) {
	err = c.do(ctx, "GET", "/api/logs?"+url.Values{"server": {server}}.Encode(), nil, &list)
	if errors.Is(err, ErrNotFound) {
		err = message(ErrNotFound, "server", status.Clean(server, 64))
	}
	return list, err
}

// SignIn begins the owner's sign-in at a mounted server, and returns the address
// to open in a browser.
func (c *Client) SignIn(ctx context.Context, server string) (string, error) {
	var answer map[string]string
	err := c.ofServer(ctx, "sign-in", map[string]string{"server": server}, &answer)
	return answer["url"], err
}

// FinishSignIn ends it by the address that a browser elsewhere came to.
func (c *Client) FinishSignIn(ctx context.Context, server, answer string) error {
	return c.ofServer(ctx, "finish-sign-in", map[string]string{"server": server, "answer": answer}, nil)
}

// SignOut ends every sign-in at a mounted server.
func (c *Client) SignOut(ctx context.Context, server string) error {
	return c.ofServer(ctx, "sign-out", map[string]string{"server": server}, nil)
}

// ofServer does what is about one server. The error is [ErrNotFound] in a
// sentence if there is none of that name.
func (c *Client) ofServer(ctx context.Context, verb string, in map[string]string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTime)
	defer cancel()
	err := c.do(ctx, "POST", "/api/server/"+verb, in, out)
	if errors.Is(err, ErrNotFound) {
		err = message(ErrNotFound, "server", status.Clean(in["server"], 64))
	}
	return err
}

// Access returns what a person with this verified address, in these groups,
// may use.
func (c *Client) Access(ctx context.Context, email string, groups []string) (list []status.Entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, accessTime+answerTime)
	defer cancel()
	query := url.Values{"group": groups}
	if email != "" {
		query.Set("email", email)
	}
	return list, c.do(ctx, "GET", "/api/access?"+query.Encode(), nil, &list)
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do sends in, if any, and reads the answer into out, if any.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTime)
		defer cancel()
	}
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		out = &struct{}{}
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return c.explain(err)
	}
	io.Copy(io.Discard, resp.Body) // so that the connection serves again
	return nil
}

// stream calls fn for each line of the answer.
func (c *Client) stream(ctx context.Context, path string, fn func(status.Event) error) error {
	resp, err := c.send(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(resp.Body)
	for {
		var ev status.Event
		switch err := lines.Decode(&ev); {
		case err == io.EOF:
			return nil
		case err != nil:
			return c.explain(err)
		}
		if err := fn(ev); err != nil {
			return err
		}
	}
}

// send returns an answer with status 200, or an error.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+path, &body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var f failure
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&f) != nil || f.Error == "" {
		return nil, message(nil, "version", resp.Status)
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, ErrNotFound
	}
	return nil, errors.New(f.Error)
}
