package cli

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// keeper is an instance with known clients and one block.
type keeper struct {
	control.Backend
	told []string
}

func (k *keeper) Status() status.Status {
	return status.Status{MCPURL: "https://name.ngrok.app/mcp", Issuer: "https://name.ngrok.app"}
}
func (k *keeper) Snapshot() status.Snapshot {
	return status.Snapshot{Sessions: sampleSessions, Blocked: sampleBlocked}
}
func (k *keeper) Clients() []status.Client { return append(sampleClients, sampleKnown...) }
func (k *keeper) AddClient(_ context.Context, c status.NewClient) (status.Client, string, error) {
	k.told = append(k.told, "add "+c.Name+" "+strings.Join(c.Grants, " ")+" "+strings.Join(c.RedirectURIs, " "))
	if c.JWKSURI != "" {
		return status.Client{ID: "dbk_9", Name: c.Name, Grants: c.Grants, JWKSURI: c.JWKSURI}, "", nil
	}
	return status.Client{ID: "dbk_9", Name: c.Name, Grants: c.Grants}, "dbs_once", nil
}
func (k *keeper) RotateClient(_ context.Context, client string) (string, time.Time, error) {
	if client != "Claude for Acme" {
		return "", time.Time{}, control.ErrNotFound
	}
	return "dbs_again", noon.Add(24*time.Hour + time.Minute), nil
}
func (k *keeper) DeleteClient(_ context.Context, client string) error {
	k.told = append(k.told, "delete "+client)
	return nil
}
func (k *keeper) Unblock(_ context.Context, id string) error {
	if id != "b1" {
		return control.ErrNotFound
	}
	k.told = append(k.told, "unblock "+id)
	return nil
}

func TestKnownClients(t *testing.T) {
	h := newHome(t)
	k := &keeper{}
	s, err := control.Listen(h.data, "1.0.0", k, noConsole{}, status.NewBoard(time.Now), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	wide := h.out.width
	h.out.width = 40 // what is copied stays in one piece on the narrowest terminal
	for _, c := range []struct {
		do   runner
		says []string
	}{
		{clientAdd{Name: "Claude for Acme", Grant: []string{"jwt-bearer"}}, []string{"Client ID      dbk_9\nClient secret  dbs_once\n", "shown this once", "issuer URL  https://name.ngrok.app\n", "[enterprise]"}},
		{clientAdd{Name: "ci", Grant: []string{"client_credentials"}, JWKSURI: "https://ci.example.com/jwks.json"}, []string{"Client ID  dbk_9\n", "no secret", "https://name.ngrok.app/token", "resource=https://name.ngrok.app/mcp", "machines"}},
		{clientAdd{Name: "web", RedirectURI: []string{"https://a.example/cb"}, Grant: []string{"authorization_code"}, asJSON: asJSON{true}}, []string{`"id": "dbk_9"`, `"secret": "dbs_once"`}},
		{clientRotate{Client: "Claude for Acme"}, []string{"Client secret  dbs_again\n", "in 24 h"}},
		{clientRotate{Client: "Claude for Acme", asJSON: asJSON{true}}, []string{`"secret": "dbs_again"`, `"old_until": "20`}},
		{clientDelete{Client: "ci"}, []string{"Deleted."}},
		{unblockSession{ID: "b"}, []string{"They can come back"}},
	} {
		got := h.run(t, c.do)
		for _, want := range c.says {
			if !strings.Contains(got, want) || strings.Contains(got, "%!") {
				t.Errorf("%+v: no %q in\n%s", c.do, want, got)
			}
		}
	}
	h.out.width = wide
	if want := "add Claude for Acme jwt-bearer |add ci client_credentials |add web authorization_code https://a.example/cb|delete ci|unblock b1"; strings.Join(k.told, "|") != want {
		t.Errorf("told %q", k.told)
	}
	var list []status.Client
	if err := json.Unmarshal([]byte(h.run(t, clientList{asJSON{true}})), &list); err != nil || len(list) != 2 || list[0].ID != "dbk_1" {
		t.Errorf("list %+v, %v", list, err)
	}
	if got := h.run(t, showSessions{}); !strings.Contains(got, "s0: through Okta, no consent page") || !strings.Contains(got, "drawbridge sessions unblock b1") {
		t.Errorf("sessions:\n%s", got)
	}
	var kept []status.Block
	if err := json.Unmarshal([]byte(h.run(t, showSessions{Blocked: true, asJSON: asJSON{true}})), &kept); err != nil || len(kept) != 1 || kept[0].ID != "b1" {
		t.Errorf("blocked %+v, %v", kept, err)
	}
	if got := h.run(t, showSessions{Blocked: true}); strings.Contains(got, "s0") || !strings.Contains(got, "drawbridge sessions unblock b1") {
		t.Errorf("only who is blocked:\n%s", got)
	}
	for _, c := range []runner{clientRotate{Client: "other"}, unblockSession{ID: "x"}} {
		if err := c.Run(&h.app); !errors.Is(err, control.ErrNotFound) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	h.model = modelOf(t)
	for words, want := range map[string]string{"client delete ": "dbk_1 dbk_2", "client rotate dbk_2": "dbk_2", "sessions unblock ": "b1", "client ": "add list rotate delete", "sessions ": "list unblock", "sessions --j": "--json"} {
		var got []string
		for _, next := range h.next(strings.Split(words, " ")) {
			got = append(got, next[0])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("behind %q comes %v, want %s", words, got, want)
		}
	}
}

// What is no grant is a wrong command line; what nothing listens to, a failure.
func TestKnownClientsRefused(t *testing.T) {
	if _, errOut, code := typed(t, "client", "add", "x", "--grant", "password"); code != 2 || !strings.Contains(errOut, "jwt-bearer") {
		t.Errorf("a grant that is none: %d, %q", code, errOut)
	}
	if _, errOut, code := typed(t, "client", "add"); code != 2 || errOut == "" {
		t.Errorf("no name: %d, %q", code, errOut)
	}
	if _, errOut, code := typed(t, "client", "list"); code != 1 || !strings.Contains(errOut, "not running") {
		t.Errorf("nothing runs: %d, %q", code, errOut)
	}
}
