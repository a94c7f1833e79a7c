// Package consoletest is the console over an app that is only pretended: for
// its tests, and for pictures of pages that are full. Start at [New].
package consoletest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Backend says what its fields hold, and notes what it was told to do.
type Backend struct {
	mu   sync.Mutex // guards all below
	data Data
	told []string
	wake []chan struct{}
}

// Data is what a Backend says.
type Data struct {
	Unconfigured bool
	Status       status.Status
	Sessions     []status.Session
	Events       []status.Event
	Clients      []status.Client
	Blocked      []status.Block
	Attempts     []status.Attempt
	Approvals    []status.Approval
	Gone         []status.Approval
	Changes      []status.ToolChange
	Logs         map[string][]status.LogLine
	Entries      []status.Entry
	Mounted      map[string]config.Server
	Missing      map[string][]string // secrets
	Offers       map[string][]status.Offer
	Answer       json.RawMessage // of every tool that is tried
	Found        config.Import
	Checks       []status.Check
	Config       config.Config
	Fail         error       // what every verb answers
	Examined     func(*Data) // what the checks change, if anything
}

// New returns a Backend that says d.
func New(d Data) *Backend { return &Backend{data: d} }

// Change changes what is said, and wakes whoever watches.
func (b *Backend) Change(change func(*Data)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.data)
	for _, c := range b.wake {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Told returns what it was told to do since it was last asked.
func (b *Backend) Told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told
	b.told = nil
	return told
}

func (b *Backend) tell(format string, args ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, fmt.Sprintf(format, args...))
	return b.data.Fail
}

func (b *Backend) get() Data {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data
}

func (b *Backend) Status() status.Status { return b.Snapshot().Status }

func (b *Backend) Snapshot() status.Snapshot {
	b.mu.Lock() // what is shown is not what Change changes
	defer b.mu.Unlock()
	snap := status.Snapshot{Status: b.data.Status, Sessions: slices.Clone(b.data.Sessions), Events: slices.Clone(b.data.Events), Blocked: slices.Clone(b.data.Blocked)}
	snap.Status.Sessions = len(snap.Sessions)
	return snap
}

func (b *Backend) Watch(context.Context) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{}, 1)
	b.wake = append(b.wake, c)
	return c
}

func (b *Backend) Configured() bool { return !b.get().Unconfigured }

func (b *Backend) Clients() []status.Client { return b.get().Clients }

func (b *Backend) AddClient(_ context.Context, c status.NewClient) (status.Client, string, error) {
	if err := b.tell("add client %s", c.Name); err != nil {
		return status.Client{}, "", err
	}
	added := status.Client{ID: "dbk_" + c.Name, Name: c.Name, Kind: "static", RedirectURIs: c.RedirectURIs, Grants: c.Grants, JWKSURI: c.JWKSURI, Known: true, FirstSeen: time.Now()}
	b.Change(func(d *Data) { d.Clients = append(d.Clients, added) })
	return added, "dbs_secret", nil
}

func (b *Backend) RotateClient(_ context.Context, client string) (string, time.Time, error) {
	return "dbs_another", time.Now().Add(24 * time.Hour), b.tell("rotate client %s", client)
}

func (b *Backend) DeleteClient(_ context.Context, client string) error {
	err := b.tell("delete client %s", client)
	b.Change(func(d *Data) {
		d.Clients = slices.DeleteFunc(slices.Clone(d.Clients), func(c status.Client) bool { return err == nil && (c.ID == client || c.Name == client) })
	})
	return err
}

func (b *Backend) Unblock(_ context.Context, id string) error {
	err := b.tell("unblock %s", id)
	b.Change(func(d *Data) {
		d.Blocked = slices.DeleteFunc(slices.Clone(d.Blocked), func(l status.Block) bool { return err == nil && l.ID == id })
	})
	return err
}

func (b *Backend) Revoke(_ context.Context, id string) error {
	n, err := b.revoke(func(s status.Session) bool { return s.ID == id }, "revoke "+id)
	if err == nil && n == 0 {
		return control.ErrNotFound
	}
	return err
}

func (b *Backend) RevokeSoon(_ context.Context, id string) error {
	return b.session(id, "revoke soon "+id, func(s *status.Session) { s.Leaving = Now().Add(5 * time.Second) })
}

func (b *Backend) Keep(_ context.Context, id string) error {
	return b.session(id, "keep "+id, func(s *status.Session) { s.Leaving = time.Time{} })
}

func (b *Backend) Rename(_ context.Context, id, label string) error {
	return b.session(id, "rename "+id+" "+label, func(s *status.Session) { s.Label = label })
}

func (b *Backend) session(id, what string, change func(*status.Session)) error {
	if err := b.tell("%s", what); err != nil {
		return err
	}
	err := control.ErrNotFound
	b.Change(func(d *Data) {
		d.Sessions = slices.Clone(d.Sessions)
		for i := range d.Sessions {
			if d.Sessions[i].ID == id {
				change(&d.Sessions[i])
				err = nil
			}
		}
	})
	return err
}

func (b *Backend) RevokeAll(context.Context) (int, error) {
	return b.revoke(func(status.Session) bool { return true }, "revoke all")
}

func (*Backend) Metrics(io.Writer)          {}
func (*Backend) CopyState() (string, error) { return "", nil }
func (b *Backend) Quit()                    {}

func (b *Backend) revoke(match func(status.Session) bool, what string) (n int, err error) {
	if err := b.tell("%s", what); err != nil {
		return 0, err
	}
	b.Change(func(d *Data) {
		var left []status.Session
		for _, s := range d.Sessions {
			if match(s) {
				n++
			} else {
				left = append(left, s)
			}
		}
		d.Sessions = left
	})
	return n, nil
}

func (b *Backend) Pause(context.Context) error {
	b.Change(func(d *Data) { d.Status.State, d.Status.Tunnel.State = status.Paused, "off" })
	return b.tell("pause")
}

func (b *Backend) Resume(context.Context) error {
	b.Change(func(d *Data) { d.Status.State, d.Status.Tunnel.State = status.Ready, "up" })
	return b.tell("resume")
}

func (b *Backend) Retry() { b.tell("retry") }

func (b *Backend) AcceptURL(context.Context) (string, error) {
	return "Enter https://other.ngrok.app/auth/callback at the provider.", b.tell("accept URL")
}

func (b *Backend) Doctor(context.Context) []status.Check {
	b.tell("doctor")
	if change := b.get().Examined; change != nil {
		b.Change(change)
	}
	return b.get().Checks
}

func (b *Backend) Attempts() []status.Attempt { return b.get().Attempts }

func (b *Backend) Config() config.Config { return b.get().Config }

func (b *Backend) ChangeConfig(_ context.Context, change func(*config.Config) error) error {
	c := b.Config()
	if err := change(&c); err != nil {
		return err
	}
	if err := cmp.Or(b.tell("set config"), c.Validate()); err != nil {
		return err
	}
	b.Change(func(d *Data) { d.Config = c })
	return nil
}

func (b *Backend) Panic(context.Context) (string, error) {
	if err := b.tell("panic"); err != nil {
		return "", err
	}
	b.Change(func(d *Data) { d.Sessions, d.Status.State, d.Status.Tunnel.State = nil, status.Paused, "off" })
	return "3 sessions were revoked, the data key was changed and the tunnel was closed. Look at the events below, then resume.", nil
}

func (b *Backend) Logs(server string) ([]status.LogLine, bool) {
	lines, ok := b.get().Logs[server]
	return lines, ok
}

func (b *Backend) SignInServer(_ context.Context, name string) (string, error) {
	return "https://tools.example.com/authorize?state=s", b.tell("sign in %s", name)
}

func (b *Backend) FinishSignIn(_ context.Context, name, answer string) error {
	return b.tell("finish sign-in %s %s", name, answer)
}

func (b *Backend) SignOutServer(_ context.Context, name string) error {
	return b.tell("sign out %s", name)
}

func (b *Backend) SignInAnswer(http.ResponseWriter, *http.Request) {}

func (b *Backend) RestartServer(name string) error { return b.tell("restart %s", name) }

func (b *Backend) SwitchServer(_ context.Context, name string, on bool) error {
	b.Change(func(d *Data) {
		list := append([]status.Server{}, d.Status.Servers...)
		for i := range list {
			if list[i].Name == name {
				list[i].State = map[bool]string{true: "starting", false: "off"}[on]
			}
		}
		d.Status.Servers = list
	})
	return b.tell("switch %s %v", name, on)
}

func (b *Backend) Entry(server string) (config.Server, []string, bool) {
	d := b.get()
	entry, ok := d.Mounted[server]
	entry.Name = server
	return entry, d.Missing[server], ok
}

func (b *Backend) Offers(server string) []status.Offer { return b.get().Offers[server] }

func (b *Backend) Try(_ context.Context, server, tool string, arguments json.RawMessage) (json.RawMessage, error) {
	return b.get().Answer, b.tell("try %s %s %s", server, tool, arguments)
}

func (b *Backend) SwitchTool(_ context.Context, server, tool string, on bool) error {
	return b.tell("switch tool %s %s %v", server, tool, on)
}

func (b *Backend) SetSecret(_ context.Context, server, name, value string) error {
	return b.tell("secret %s/%s %s", server, name, value)
}

func (b *Backend) PutServer(_ context.Context, entry config.Server) error {
	return b.tell("put %s %s %q %v", entry.Name, entry.Command, entry.Args, entry.Env)
}

func (b *Backend) RemoveServer(_ context.Context, name string) error {
	return b.tell("remove %s", name)
}

func (b *Backend) Pasted(text, name string) (config.Import, error) {
	return config.Importer{Path: "/nowhere/mcp.json"}.Paste(text, name)
}

func (b *Backend) Found() (config.Import, error) { return b.get().Found, nil }

func (b *Backend) Add(_ context.Context, plan config.Import) error {
	for _, item := range plan.Taken() {
		b.tell("add %s", item.As)
	}
	return b.get().Fail
}

func (b *Backend) Access(_ context.Context, email string, groups []string) ([]status.Entry, error) {
	return b.get().Entries, b.tell("access %s %s", email, strings.Join(groups, ","))
}

func (b *Backend) Changes() []status.ToolChange { return b.get().Changes }

func (b *Backend) ApproveChange(_ context.Context, server, tool, _ string) error {
	b.Change(func(d *Data) {
		var left []status.ToolChange
		for _, c := range d.Changes {
			if c.Server != server || c.Tool != tool {
				left = append(left, c)
			}
		}
		d.Changes = left
	})
	return b.tell("approve %s %s", server, tool)
}

func (b *Backend) Approvals() []status.Approval { return b.get().Approvals }

func (b *Backend) Answer(_ context.Context, id string, allow bool) error {
	b.Change(func(d *Data) {
		var left []status.Approval
		for _, a := range d.Approvals {
			if a.ID != id {
				left = append(left, a)
			}
		}
		d.Approvals = left
	})
	return b.tell("answer %s %v", id, allow)
}

func (b *Backend) Gone() []status.Approval { return b.get().Gone }

func (b *Backend) AllowTool(_ context.Context, id string) error {
	return b.tell("allow tool of %s", id)
}

func (b *Backend) EndLeave(_ context.Context, session, server, tool string) error {
	return b.tell("end leave %s %s %s", session, server, tool)
}
