package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// disk is a real state file that outlives an endpoint.
type disk struct {
	*store.DB
	key []byte
}

func (d disk) Save(changes []oauth.Change, _ ...status.Event) error { return d.DB.Save(changes) }

func newDisk(t *testing.T) disk {
	t.Helper()
	d := disk{key: make([]byte, 32)}
	_, _ = rand.Read(d.key)
	var err error
	if d.DB, err = store.Open(filepath.Join(t.TempDir(), "state.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Unseal(d.key); err != nil {
		t.Fatal(err)
	}
	return d
}

// start returns an endpoint as it is after a start of the program.
func (d disk) start(t *testing.T, change ...func(*EndpointOptions)) *rig {
	t.Helper()
	m, err := OpenMemory(d.DB, d, time.Now, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, append([]func(*EndpointOptions){func(o *EndpointOptions) { o.DataKey, o.Memory, o.Path = d.key, m, "/mcp" }}, change...)...)
}

// It handles a client that never notices that Drawbridge was started anew, or
// that its person signed in again: what it said of itself, the level it asked
// log messages of, and what it subscribed to still hold.
func TestRestartUnseen(t *testing.T) {
	for _, as := range []string{"", "anew"} {
		t.Run("as "+as, func(t *testing.T) {
			d := newDisk(t)
			before := d.start(t)
			session := before.open()
			before.method("logging/setLevel", func(*Client, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{}`), nil })
			before.post(`{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}`, session)
			for _, uri := range []string{"test://a", "test://gone", "test://b"} {
				before.post(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"`+uri+`"}}`, session)
			}
			before.post(`{"jsonrpc":"2.0","id":1,"method":"resources/unsubscribe","params":{"uri":"test://b"}}`, session)
			before.e.Close()

			after := d.start(t)
			after.fake.gone = "test://gone"
			after.tool("self", func(_ context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
				return said(fmt.Sprint(c.Peer.(*call).version, " ", c.LogLevel, " ", string(c.Capabilities), " ", string(c.Info), " ", c.Caller.Session)), nil
			})
			grant := ana.Session
			if as == "anew" {
				grant = anew.Session
			}
			list := messages(t, after.post(legacy("self", "{}"), session, "X-Caller: "+as))
			want := `2025-06-18 error {"sampling":{},"elicitation":{},"x":1.0} {"name":"t","version":"1","kept":[1]} ` + grant
			if len(list) != 1 || list[0].text() != want {
				t.Fatalf("%+v\nwant %s", list, want)
			}
			// What it missed meanwhile it is told on its next stream, whatever the order.
			stream := newEvents(t, after.do("GET", nil, session, "X-Caller: "+as))
			told := map[string]bool{}
			for range 2 {
				m, _ := stream.next()
				told[m.Method+" "+string(m.Params)] = true
			}
			if !told[`notifications/tools/list_changed `] || !told[`notifications/resources/updated {"uri":"test://a"}`] {
				t.Errorf("told %v", told)
			}
			after.fake.update("test://a", `{"uri":"test://a","title":"new"}`)
			if m, _ := stream.next(); string(m.Params) != `{"uri":"test://a","title":"new"}` {
				t.Errorf("%+v", m)
			}
			after.fake.mu.Lock()
			defer after.fake.mu.Unlock()
			if len(after.fake.watched["test://a"]) != 1 || len(after.fake.watched["test://b"]) != 0 {
				t.Errorf("watched %v", after.fake.watched)
			}
		})
	}
}

// It handles the stream of a client that comes back first, and 32 requests
// that do so at once: there is one session.
func TestRestartUnseenByStreamAndCrowd(t *testing.T) {
	d := newDisk(t)
	session := d.start(t).open()
	after := d.start(t)
	stream := newEvents(t, after.do("GET", nil, session))
	if m, ok := stream.next(); !ok || m.Method != "notifications/tools/list_changed" {
		t.Errorf("%+v", m)
	}
	crowd := d.start(t)
	codes := make(chan int)
	for range 32 {
		go func() { codes <- crowd.post(ping, session).StatusCode }()
	}
	for range 32 {
		if got := <-codes; got != 200 {
			t.Errorf("%d", got)
		}
	}
	if n := len(crowd.e.sessions.byKey); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// It handles ids of others, and ids that are none: to all of them the session
// is unknown (security best practices 2025-11-25, "Session Hijacking").
func TestForeignSessions(t *testing.T) {
	d := newDisk(t)
	r := d.start(t)
	id := strings.TrimPrefix(r.open(), "Mcp-Session-Id: ")
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(i int) string {
		b := append([]byte(nil), raw...)
		b[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	again := d.start(t)
	elsewhere := d.start(t, func(o *EndpointOptions) { o.Path = "/s/files/mcp" })
	otherKey := newDisk(t).start(t)
	lower := strings.ToLower(id)
	for name, c := range map[string]struct {
		rig    *rig
		id, as string
		want   int
	}{
		"the same person and client": {again, id, "", 200},
		"another sign-in of theirs":  {again, id, "anew", 200},
		"another client of theirs":   {again, id, "elsewhere", 404},
		"another person":             {again, id, "bob", 404},
		"another endpoint":           {elsewhere, id, "", 404},
		"another data key":           {otherKey, id, "", 404},
		"cut at the end":             {again, id[:len(id)-4], "", 404},
		"cut to nothing but a nonce": {again, id[:16], "", 404},
		"one character":              {again, "A", "", 404},
		"longer":                     {again, id + "AAAA", "", 404},
		"padded":                     {again, id + "=", "", 404},
		"in lower case":              {again, lower, "", 404},
		"first bit":                  {again, flipped(0), "", 404},
		"first bit of the box":       {again, flipped(12), "", 404},
		"last bit":                   {again, flipped(len(raw) - 1), "", 404},
		"endless":                    {again, strings.Repeat("A", 1<<14), "", 404},
		"as ids once were":           {again, rand.Text(), "", 404},
	} {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			if method != "POST" && c.want == 200 {
				continue
			}
			if got := c.rig.do(method, strings.NewReader(ping), "Mcp-Session-Id: "+c.id, "X-Caller: "+c.as).StatusCode; got != c.want {
				t.Errorf("%s %s: %d, want %d", name, method, got, c.want)
			}
		}
	}
}

// It handles DELETE of a session that a restart has forgotten: it is over.
func TestDeleteAfterRestart(t *testing.T) {
	d := newDisk(t)
	session := d.start(t).open()
	r := d.start(t)
	for i, want := range []int{200, 404} {
		if got := r.do("DELETE", nil, session).StatusCode; got != want {
			t.Errorf("DELETE %d: %d", i+1, got)
		}
	}
	if got := r.post(ping, session).StatusCode; got != 404 {
		t.Errorf("%d", got)
	}
}

// It handles two sign-ins of one person with one id: neither cancels, answers or
// hears what is the other's, and the end of one leaves the other be.
func TestSignInsKeepApart(t *testing.T) {
	r := newRig(t)
	session := r.open()
	began, over := make(chan struct{}), make(chan struct{})
	r.tool("wait", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		close(began)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over:
			return said("done"), nil
		}
	})
	answer := make(chan []reply)
	go func() { answer <- r.call("", session, "wait", "{}") }()
	<-began
	r.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`, session, "X-Caller: anew")
	theirs := newEvents(t, r.do("GET", nil, session, "X-Caller: anew"))
	r.e.EndSessions(func(s string) bool { return s == anew.Session })
	for _, ok := theirs.next(); ok; _, ok = theirs.next() {
	}
	close(over)
	if list := <-answer; len(list) != 1 || list[0].text() != "done" {
		t.Errorf("%+v", list)
	}
}

// It handles a session that is full by the time its subscriptions would come
// back, and one that ends while it asks for more: neither loses what it had.
func TestRestoreMeetsItsBounds(t *testing.T) {
	s := &sessionState{}
	s.restoreFrom(gathered{URIs: []string{"test://old"}})
	for i := range maxWatched {
		if begin, err := s.reserve(fmt.Sprint("test://", i)); (err == nil) != (i < maxWatched-1) || begin != (err == nil) || err == nil && !s.keep(fmt.Sprint("test://", i), func() {}) {
			t.Errorf("%d: %t %v", i, begin, err)
		}
	}
	if uris := s.toBegin(); len(uris) != 1 || !s.keep(uris[0], func() {}) || len(s.toBegin()) != 0 {
		t.Errorf("%v are still to begin", uris)
	}
	if g, ok := s.gathered(); !ok || len(g.URIs) != maxWatched {
		t.Errorf("%d are watched", len(g.URIs))
	}
	s.close()
	if _, ok := s.gathered(); ok {
		t.Error("that it is over counts as having nothing")
	}
}

// It handles a client that says much of itself: the id stays short enough for a
// header, and holds what a server asks for.
func TestLongClients(t *testing.T) {
	d := newDisk(t)
	long := strings.Repeat("x", 9000)
	for what, init := range map[string]string{
		"info":         `"capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1","icons":"` + long + `"}`,
		"name":         `"capabilities":{"elicitation":{}},"clientInfo":{"name":"` + long + `","version":"1"}`,
		"capabilities": `"capabilities":{"elicitation":{},"experimental":"` + long + `"},"clientInfo":{"name":"t","version":"1"}`,
		"elicitation":  `"capabilities":{"elicitation":{},"sampling":"` + long + `","roots":"` + long + `"},"clientInfo":{"name":"t","version":"1"}`,
	} {
		id := d.start(t).post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26",` + init + `}}`).Header.Get("Mcp-Session-Id")
		if len(id) > 4000 {
			t.Errorf("%s: %d characters", what, len(id))
		}
		after := d.start(t)
		after.tool("self", func(_ context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
			return said(c.Peer.(*call).version + string(c.Capabilities) + string(c.Info)), nil
		})
		list := messages(t, after.post(legacy("self", "{}"), "Mcp-Session-Id: "+id))
		if len(list) != 1 || !strings.Contains(list[0].text(), `2025-03-26{"elicitation":{}}`) || !strings.Contains(list[0].text(), `"version":"1"`) {
			t.Errorf("%s: %+v", what, list)
		}
	}
}

// It handles more than there is room for, by forgetting the oldest of that
// person, and then of all.
func TestMemoryIsBounded(t *testing.T) {
	d := newDisk(t)
	c := &clock{now: time.Now()}
	m, err := OpenMemory(d.DB, d, c.Now, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	save := func(id, person string) {
		c.add(time.Second)
		m.save(id, person, gathered{Level: "error"})
	}
	save("bob's", "bob")
	for i := range maxOfPerson + 1 {
		save(fmt.Sprint("ana's ", i), "ana")
	}
	m.save("long", "carol", gathered{Level: "error", URIs: []string{strings.Repeat("x", maxRecord)}})
	if m.load("bob's").Level == "" || m.load("ana's 0").Level != "" || m.load("ana's 1").Level == "" || m.load("long").Level != "" {
		t.Errorf("%d are kept", len(m.records))
	}
	for i := range maxRemembered {
		save(fmt.Sprint("x", i), fmt.Sprint("person", i/maxOfPerson))
	}
	if len(m.records) != maxRemembered || m.load("bob's").Level != "" {
		t.Errorf("%d are kept", len(m.records))
	}
	stored, err := OpenMemory(d.DB, d, c.Now, slog.Default())
	if err != nil || len(stored.records) != maxRemembered {
		t.Errorf("%d are stored: %v", len(stored.records), err)
	}
}

func FuzzSessionID(f *testing.F) {
	k, err := newSealer(make([]byte, 32), "/mcp")
	if err != nil {
		f.Fatal(err)
	}
	const id = "oDdLbg7D9MhLeNQxJkf_aoppWp9PwB43ZqAPHPgCY2kgAnCTgxTopblxcUkC1bJ2TL3q7n3pCTGwpf4tkME2" // of a session that an earlier build opened: it holds for later ones
	if got := k.open(id, ana); got == nil || got.version != "2025-11-25" || string(got.info) != `{"name":"x"}` {
		f.Fatalf("%+v", got)
	}
	for _, s := range []string{"", "A", id, id[:20], id + "\n", id + "=", "\r\n" + id} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := k.open(s, ana); got != nil && s != id {
			t.Errorf("%q opens", s)
		}
		if k.open(s, bob) != nil {
			t.Errorf("%q opens for another", s)
		}
	})
}

// Two trusted providers may call two people by one subject: neither has the other's
// transport session, while another assertion of the same person goes on with theirs.
func TestSessionsOfTwoProviders(t *testing.T) {
	k, err := newSealer(make([]byte, 32), "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	vouched := func(issuer, session string) *oauth.Caller {
		return &oauth.Caller{Session: session, Issuer: issuer, User: status.User{Sub: "00u1"}, Client: status.SessionClient{ID: "dbk_1"}, Through: status.Enterprise}
	}
	id := k.seal(&session{version: legacyVersions[0]}, vouched("https://a.example", "1"))
	if k.open(id, vouched("https://b.example", "2")) != nil {
		t.Error("another provider's person has the session")
	}
	if k.open(id, vouched("https://a.example", "3")) == nil {
		t.Error("the person has lost the session")
	}
}
