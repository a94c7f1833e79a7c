package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// publisher serves metadata documents over TLS. Every host name leads to it; a
// host that begins with "slow" doesn't answer before the test is over.
type publisher struct {
	*httptest.Server
	reads  atomic.Int64
	status atomic.Int64
	pad    atomic.Int64 // bytes that a document is longer by
	over   chan struct{}
}

func publish(t *testing.T) (*publisher, *http.Client) {
	p := &publisher{over: make(chan struct{})}
	p.status.Store(http.StatusOK)
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.reads.Add(1)
		if strings.HasPrefix(r.Host, "slow") {
			select {
			case <-p.over:
			case <-r.Context().Done():
			}
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.WriteHeader(int(p.status.Load()))
		_ = json.NewEncoder(w).Encode(map[string]any{"client_id": "https://" + r.Host + r.URL.Path, "client_name": "App", "redirect_uris": []string{"http://localhost/cb"},
			"token_endpoint_auth_method": "none", "keys": []any{}, "pad": strings.Repeat("x", int(p.pad.Load()))})
	}))
	t.Cleanup(func() { close(p.over); p.Close() })
	tr := p.Client().Transport.(*http.Transport).Clone()
	tr.TLSClientConfig.ServerName = "example.com" // httptest's own
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.Listener.Addr().String())
	}
	return p, &http.Client{Transport: tr, Timeout: 5 * time.Second}
}

func actorOf(i int) netip.Prefix { return limit.Actor(fmt.Sprintf("203.0.%d.%d", i>>8, i&255)) }

// Sixteen slow documents once stopped every sign-in by a document.
func TestSlowDocumentsHoldUpNobody(t *testing.T) {
	for _, c := range []struct {
		name          string
		actors, hosts int // of the slow ones
	}{
		{"one address, many hosts", 1, 64},
		{"many addresses, one host", 64, 1},
		{"three addresses, three hosts", 3, 3},
		{"one address and the document that others want", 1, 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, client := publish(t)
			d := NewDocuments(client, time.Now)
			var wg sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			defer wg.Wait()
			defer cancel()
			for i := range 64 {
				wg.Go(func() {
					_, _ = d.Client(ctx, fmt.Sprintf("https://slow%d.example/%d", i%c.hosts, i), actorOf(i%c.actors), nil)
				})
			}
			for p.reads.Load() < 4 { // the slow ones are under way
				time.Sleep(time.Millisecond)
			}
			wg.Go(func() { _, _ = d.Client(ctx, "https://app.example/client.json", actorOf(0), nil) }) // behind those of the same address
			began := time.Now()
			got, err := d.Client(t.Context(), "https://app.example/client.json", actorOf(1000), nil)
			if err != nil || got.Name != "App" {
				t.Fatalf("%+v, %v", got, err)
			}
			if took := time.Since(began); took >= 5*time.Second { // when those before it are given up
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestSlots(t *testing.T) {
	hold := func(t *testing.T, s *slots, host string, actor netip.Prefix) (func(), bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // only what is free
		release, err := s.take(ctx, host, actor)
		return release, err == nil
	}
	t.Run("of one host", func(t *testing.T) {
		s := newSlots()
		for i := range 5 {
			if _, ok := hold(t, s, "a", actorOf(i)); ok != (i < 4) {
				t.Errorf("%d: %v", i+1, ok)
			}
		}
	})
	t.Run("of one actor", func(t *testing.T) {
		s := newSlots()
		for i := range 5 {
			if _, ok := hold(t, s, fmt.Sprint(i), actorOf(0)); ok != (i < 4) {
				t.Errorf("%d: %v", i+1, ok)
			}
		}
	})
	t.Run("in all", func(t *testing.T) {
		s := newSlots()
		var free []func()
		for i := range 33 {
			release, ok := hold(t, s, fmt.Sprint(i), actorOf(i))
			if ok != (i < 32) {
				t.Errorf("%d: %v", i+1, ok)
			}
			free = append(free, release)
		}
		for _, release := range free[:32] {
			release()
		}
		if s.all != 0 || len(s.hosts)+len(s.actors)+len(s.waiting) != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
	t.Run("who holds fewest is served first", func(t *testing.T) {
		s := newSlots()
		var free []func()
		for i := range 32 {
			release, _ := hold(t, s, fmt.Sprint(i), actorOf(i%16))
			free = append(free, release)
		}
		order := make(chan string, 2)
		var wg sync.WaitGroup
		wait := func(name string, actor netip.Prefix, n int) {
			wg.Go(func() {
				release, err := s.take(t.Context(), name, actor)
				if err != nil {
					t.Error(err)
					return
				}
				order <- name
				release()
			})
			for queued := 0; queued < n; {
				s.mu.Lock()
				queued = len(s.waiting)
				s.mu.Unlock()
			}
		}
		wait("has two", actorOf(3), 1)
		wait("has none", actorOf(99), 2)
		free[0]()
		if first := <-order; first != "has none" {
			t.Errorf("%s was served first", first)
		}
		wg.Wait()
	})
	t.Run("one actor's queue is bounded", func(t *testing.T) {
		s := newSlots()
		for range 4 {
			hold(t, s, "a", actorOf(0))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { _, _ = s.take(ctx, "a", actorOf(0)) })
		}
		for queued := 0; queued < 16; {
			s.mu.Lock()
			queued = len(s.waiting)
			s.mu.Unlock()
		}
		if _, err := s.take(t.Context(), "b", actorOf(0)); !errors.Is(err, errBusy) {
			t.Errorf("the 17th: %v", err)
		}
		cancel()
		wg.Wait()
	})
}

// A document that is too large stays so when it was fetched as keys first.
func TestDocumentAndKeysHaveTheirOwnBounds(t *testing.T) {
	p, client := publish(t)
	d := NewDocuments(client, time.Now)
	const at = "https://app.example/both.json"
	for _, c := range []struct {
		pad            int64
		document, keys bool
	}{{0, true, true}, {9 << 10, true, true}, {40 << 10, false, true}, {70 << 10, false, false}} {
		p.pad.Store(c.pad)
		for _, order := range []string{"keys document", "document keys", "keys document keys document"} {
			for _, what := range strings.Fields(order) {
				var err error
				want := c.document
				if what == "keys" {
					want = c.keys
					_, err = d.Keys(t.Context(), &oauth.Client{JWKSURI: at + fmt.Sprint(c.pad, order)}, actorOf(1), false)
				} else {
					_, err = d.Client(t.Context(), at, actorOf(1), nil)
				}
				if (err == nil) != want {
					t.Errorf("%d bytes more, %s: as %s %v", c.pad, order, what, err)
				}
			}
		}
	}
}

// Who reads why a document can't be had can do something about it.
func TestReasonsOfDocuments(t *testing.T) {
	p, good := publish(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	to := func(addr string) *http.Client {
		tr := good.Transport.(*http.Transport).Clone()
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
		return &http.Client{Transport: tr, Timeout: 5 * time.Second}
	}
	untrusted := p.Client().Transport.(*http.Transport).Clone()
	untrusted.TLSClientConfig.RootCAs, untrusted.TLSClientConfig.ServerName = nil, "example.com"
	untrusted.DialContext = good.Transport.(*http.Transport).DialContext
	misnamed := good.Transport.(*http.Transport).Clone()
	misnamed.TLSClientConfig.ServerName = ""
	impatient := &http.Client{Transport: good.Transport, Timeout: time.Millisecond}
	nowhere := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "app.example", IsNotFound: true}
	}}}
	for _, c := range []struct {
		name   string
		client *http.Client
		host   string
		status int
		says   string
	}{
		{"a name that does not exist", nowhere, "app.example", 200, "no such host, or it can't be looked up (DNS)"},
		{"a closed port", to(closed.Listener.Addr().String()), "app.example", 200, "refuses the connection"},
		{"plain http", to(plain.Listener.Addr().String()), "app.example", 200, "does not speak TLS"},
		{"an unknown authority", &http.Client{Transport: untrusted}, "app.example", 200, "not trusted (TLS)"},
		{"a certificate of another name", &http.Client{Transport: misnamed}, "app.invalid", 200, "not trusted (TLS)"},
		{"no answer", impatient, "slow.example", 200, "not answer in time"},
		{"a fault of the host", good, "app.example", 503, "status 503"},
		{"no document there", good, "app.example", 404, "status 404"},
		{"no access", good, "app.example", 403, "status 403"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.status.Store(int64(c.status))
			_, err := NewDocuments(c.client, time.Now).Client(t.Context(), "https://"+c.host+"/client.json", actorOf(1), nil)
			var e *oauth.Error
			if !errors.As(err, &e) || !strings.Contains(e.Description, c.says) || !strings.Contains(e.Description, c.host) {
				t.Errorf("%v, want %q and the host", err, c.says)
			}
		})
	}
}

// What a document said goes on for a client that somebody signed in with, for a
// week, while it can't be had (RFC 5861 §4). One that is gone ends sign-ins.
func TestStaleDocuments(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	const id = "https://app.example/client.json"
	for _, c := range []struct {
		name   string
		known  bool
		age    time.Duration
		status int
		taken  bool
	}{
		{"known, away", true, time.Hour, 503, true},
		{"known, away, almost a week", true, 7*24*time.Hour - time.Second, 503, true},
		{"known, away, more than a week", true, 7*24*time.Hour + time.Second, 503, false},
		{"unknown, away", false, 0, 503, false},
		{"known, gone", true, time.Hour, 404, false},
		{"known, forbidden", true, time.Hour, 403, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, client := publish(t)
			d := NewDocuments(client, func() time.Time { return now })
			p.status.Store(int64(c.status))
			var known *oauth.Client
			if c.known {
				known = &oauth.Client{ID: id, Name: "As it was", Confirmed: now.Add(-c.age)}
			}
			got, err := d.Client(t.Context(), id, actorOf(1), known)
			if (err == nil) != c.taken || c.taken && got.Name != "As it was" {
				t.Fatalf("%+v, %v", got, err)
			}
			if said := strings.Join(d.Stale(), "\n"); c.taken != strings.Contains(said, "app.example") || c.taken != strings.Contains(said, "status 503") {
				t.Errorf("said %q", said)
			}
			p.status.Store(200)
			if got, err = d.Client(t.Context(), id, actorOf(1), known); err != nil || got.Name != "App" || len(d.Stale()) != 0 {
				t.Errorf("back again: %+v, %v, %q", got, err, d.Stale())
			}
		})
	}
}

func TestKeysGoOnWhileTheyCantBeHad(t *testing.T) {
	p, client := publish(t)
	var passed atomic.Int64
	start := time.Now()
	d := NewDocuments(client, func() time.Time { return start.Add(time.Duration(passed.Load())) })
	keyed := &oauth.Client{JWKSURI: "https://app.example/keys"}
	for _, step := range []struct {
		after  time.Duration
		status int
		ok     bool
	}{{0, 200, true}, {time.Hour, 503, true}, {24 * time.Hour, 503, true}, {8 * 24 * time.Hour, 503, false}, {time.Minute, 200, true}, {time.Hour, 404, false}} {
		passed.Add(int64(step.after))
		p.status.Store(int64(step.status))
		if _, err := d.Keys(t.Context(), keyed, actorOf(1), false); (err == nil) != step.ok {
			t.Errorf("%v later, status %d: %v", step.after, step.status, err)
		}
	}
}

// A stranger's documents push out their own.
func TestCopiesAreDividedByActor(t *testing.T) {
	c := newCopies("x", 1, 10, 0)
	now := time.Now()
	c.keep("honest", copied{until: now.Add(time.Minute), actor: actorOf(1)})
	for i := range 100 {
		c.keep(fmt.Sprint(i), copied{until: now.Add(time.Hour), actor: actorOf(2)})
	}
	if _, ok := c.fresh("honest", now, false); !ok || len(c.byAddress) != 10 {
		t.Errorf("honest kept: %v, of %d", ok, len(c.byAddress))
	}
}

func TestDocumentsSwitchedOff(t *testing.T) {
	r, _, _ := newRig(t, &served{body: `{"client_id":"` + fuzzDocument + `","client_name":"App","redirect_uris":["http://localhost/cb"]}`})
	r.NoDocuments = true
	w := httptest.NewRecorder()
	r.Metadata(w, request(http.MethodGet, "/.well-known/oauth-authorization-server", "", ""))
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || m["client_id_metadata_document_supported"] != false || m["registration_endpoint"] == nil {
		t.Errorf("%v, %v", m, err)
	}
	w = httptest.NewRecorder()
	r.Authorize(w, request(http.MethodGet, "/authorize", "client_id="+fuzzDocument, ""))
	if w.Code != 400 || !strings.Contains(w.Body.String(), "switched off") {
		t.Errorf("answered %d: %s", w.Code, w.Body)
	}
}
