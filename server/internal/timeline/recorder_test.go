package timeline

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// from takes facts in as seen at an address, by a program.
func (r *rig) from(remote, agent string, f Facts) {
	r.now = r.now.Add(time.Millisecond)
	r.record(seen{Facts: f, at: r.now, remote: remote, agent: agent})
}

// keys are the verdicts of all attempts, newest first.
func (r *rig) keys() string {
	var keys []string
	for _, a := range r.Attempts() {
		keys = append(keys, a.VerdictKey)
	}
	return strings.Join(keys, " ")
}

// A whole sign-in is one attempt, although its requests come from several
// addresses.
func TestOneAttempt(t *testing.T) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	list := r.Attempts()
	if len(list) != 1 || len(list[0].Steps) != len(goodSteps) {
		t.Fatalf("%d attempts: %s", len(list), r.keys())
	}
	a := list[0]
	if a.Client != "Claude" || a.User != "ana@example.com" || a.Session != "s1" || a.Remote != "160.79.104.10" || a.Agent != "Claude-User/1.0" {
		t.Errorf("it is of %+v", a)
	}
}

// A client with a metadata document has no request of its own between looking
// around and the person's browser.
func TestAdoption(t *testing.T) {
	for _, c := range []struct {
		name, looks, id string
		strangers       int
		attempts        int
	}{
		{"at the same address", "203.0.113.7", "https://vscode.dev/oauth/client-metadata.json", 3, 4},
		{"from the cloud its id names", "160.79.107.1", "https://claude.ai/oauth/claude-code-client-metadata", 3, 4},
		{"the only one that looked", "198.51.100.1", "https://chatgpt.com/oauth/1/client.json", 0, 1},
		{"one of several", "198.51.100.1", "https://chatgpt.com/oauth/1/client.json", 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			r.from(c.looks, "x", Facts{What: Challenged})
			r.from(c.looks, "x", Facts{What: Metadata})
			for i := range c.strangers {
				r.from(fmt.Sprintf("192.0.2.%d", i), "y", Facts{What: Metadata})
			}
			r.see(Facts{What: Authorized, ClientID: c.id, Flow: "f", Client: "X"})
			if got := len(r.Attempts()); got != c.attempts {
				t.Errorf("%d attempts, want %d: %s", got, c.attempts, r.keys())
			}
		})
	}
}

// Two sign-ins of one published client id, at the same time, stay apart.
func TestTwoAtOnce(t *testing.T) {
	r := newRig()
	const id = "https://claude.ai/oauth/claude-code-client-metadata"
	for _, n := range []string{"1", "2"} {
		r.from("203.0.113."+n, "Mozilla", Facts{What: Authorized, ClientID: id, Flow: "f" + n, Client: "Claude"})
		r.from("203.0.113."+n, "Mozilla", Facts{What: ConsentShown, Flow: "f" + n})
	}
	for _, n := range []string{"2", "1"} {
		r.from("203.0.113."+n, "Mozilla", Facts{What: ProviderDone, Flow: "f" + n, Session: "s" + n, User: n + "@example.com"})
	}
	for _, n := range []string{"1", "2"} {
		r.from("160.79.104.10", "Claude", Facts{What: Issued, ClientID: id, Session: "s" + n})
	}
	r.from("160.79.104.11", "Claude", Facts{What: Called, Session: "s2"})
	if got := r.keys(); got != "connected.first call.awaited" {
		t.Errorf("they come to %s", got)
	}
	if a := r.Attempts()[0]; a.User != "2@example.com" {
		t.Errorf("connected is %s", a.User)
	}
}

// Somebody who knows a client's published id can't spoil the verdict on others.
func TestStrangersWithAPublicID(t *testing.T) {
	r := newRig()
	const id = "https://claude.ai/oauth/claude-code-client-metadata"
	r.see(Facts{What: Authorized, ClientID: id, Flow: "f", Client: "Claude"})
	r.see(Facts{What: ConsentShown, Flow: "f"})
	r.from("192.0.2.66", "evil", Facts{What: TokenUnknown, ClientID: id})
	r.from("192.0.2.66", "evil", Facts{What: AuthorizeOther, ClientID: id, Host: "evil.example"})
	list := r.Attempts()
	if last := list[len(list)-1]; last.VerdictKey != "consent.awaited" || len(last.Steps) != 2 {
		t.Errorf("it comes to %s by %+v", last.VerdictKey, last.Steps)
	}
}

// A library that looks around again before each request to the token endpoint
// begins no attempt by it.
func TestLooksAgainBeforeRefresh(t *testing.T) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	r.now = r.now.Add(time.Hour)
	r.see(Facts{What: CallExpired, Session: "s1"})
	r.see(Facts{What: Resource})
	r.see(Facts{What: Metadata})
	r.see(Facts{What: Refreshed, ClientID: "c1", Session: "s1"})
	if got := r.keys(); got != "connected" {
		t.Errorf("it comes to %s", got)
	}
}

// Trying again is an attempt of its own; what the first came to stays.
func TestTryAgain(t *testing.T) {
	r := newRig()
	for _, f := range upTo(ConsentShown, Facts{What: ConsentDenied, Flow: "f1"}) {
		r.see(f)
	}
	r.see(Facts{What: Authorized, ClientID: "c1", Client: "Claude", Flow: "f2"})
	if got := r.keys(); got != "consent.opening consent.denied" {
		t.Errorf("come to %s", got)
	}
	r.see(Facts{What: ClientUnknown, ClientID: "other"})
	r.see(Facts{What: Registered, ClientID: "new", Client: "Claude"})
	if got := r.keys(); got != "browser.awaited consent.opening consent.denied" {
		t.Errorf("come to %s", got)
	}
}

// Drawbridge looking at itself from outside is no client.
func TestOwnLook(t *testing.T) {
	r := newRig()
	req := httptest.NewRequest("GET", "/.well-known/oauth-protected-resource/mcp", nil)
	req.Header.Set("Drawbridge-Check", "x")
	r.Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), req)
	if got := r.keys(); got != "" {
		t.Errorf("came to %s", got)
	}
}

// Parts of one program call themselves differently.
func TestOneProgramTwoNames(t *testing.T) {
	r := newRig()
	r.from("203.0.113.7", "node", Facts{What: Metadata})
	r.from("203.0.113.8", "node", Facts{What: Metadata})
	r.from("203.0.113.7", "undici", Facts{What: Registered, ClientID: "c"})
	if got := r.keys(); got != "discovery.awaited browser.awaited" {
		t.Errorf("come to %s", got)
	}
}

// What strangers can do from one address or many pushes out nobody who came
// further, and nobody at another address.
func TestFloods(t *testing.T) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	r.from("198.51.100.9", "Cursor", Facts{What: Registered, ClientID: "mine", Client: "Cursor"})
	r.see(Facts{What: Authorized, ClientID: "pending", Flow: "pending", Client: "Zed"})
	r.see(Facts{What: ConsentShown, Flow: "pending"})
	for i := range 5000 {
		one, many := "192.0.2.1", fmt.Sprintf("2001:db8:%x::1", i)
		id := fmt.Sprint(i)
		r.from(one, id, Facts{What: Registered, ClientID: "x" + id})
		r.from(one, id, Facts{What: AuthorizeUnknown, ClientID: "z" + id})
		r.from(one, id, Facts{What: Authorized, ClientID: "x" + id, Flow: id})
		r.from(one, id, Facts{What: ConsentShown, Flow: id})
		r.from(one, id, Facts{What: Challenged})
		r.from(many, id, Facts{What: Challenged})
		r.from(many, id, Facts{What: Missing, Path: id})
		r.from(many, id, Facts{What: Probed})
		r.from(many, id, Facts{What: WrongHost, Host: id})
	}
	got := map[string]int{}
	list := r.Attempts()
	for _, a := range list {
		got[a.Client]++
		if len(a.Steps) > maxSteps {
			t.Errorf("%d steps", len(a.Steps))
		}
	}
	if len(list) > 200 || got["Claude"] != 1 || got["Cursor"] != 1 || got["Zed"] != 1 {
		t.Errorf("%d attempts are left, of whom %v", len(list), got)
	}
	if n := strings.Count(r.keys(), "probes"); n != 1 {
		t.Errorf("%d attempts of probes", n)
	}
	if len(r.byKey) > 200*maxKeys {
		t.Errorf("%d keys", len(r.byKey))
	}
	for _, list := range r.classes {
		for _, a := range list {
			for _, k := range a.keys {
				if r.byKey[k] != a && k.kind != bySource && k.kind != byClient {
					t.Errorf("a key leads elsewhere")
				}
			}
		}
	}
}

// Of many sign-ins the newest are kept, and every bound holds.
func TestManySignIns(t *testing.T) {
	r := newRig()
	for i := range 1000 {
		for _, f := range goodSteps {
			n := fmt.Sprint(i)
			if f.ClientID != "" {
				f.ClientID += n
			}
			if f.Flow != "" {
				f.Flow += n
			}
			if f.Session != "" {
				f.Session += n
			}
			r.see(f)
		}
	}
	list := r.Attempts()
	if len(list) != limits[signedIn].all || list[0].Session != "s1999" {
		t.Errorf("%d are kept, the newest %s", len(list), list[0].Session)
	}
	if len(r.live) != len(list) {
		t.Errorf("%d sessions need no look, of %d attempts", len(r.live), len(list))
	}
}

func TestOneWakeForManyProbes(t *testing.T) {
	r := newRig()
	woken := 0
	r.Tell(func() World { return home }, func() { woken++ })
	for range 500 {
		r.from("192.0.2.1", "x", Facts{What: Probed})
	}
	if woken != 1 {
		t.Errorf("woken %d times in half a second", woken)
	}
	r.see(Facts{What: Registered, ClientID: "c"})
	if woken != 2 {
		t.Error("a registration woke nobody")
	}
}

// The first calls of a session are looked at until one comes through; then
// they are counted, until something fails.
func TestCalls(t *testing.T) {
	r := newRig()
	for _, f := range upTo(Issued) {
		r.see(f)
	}
	status := http.StatusBadRequest
	version := "2031-01-01"
	call := func() {
		if r.Connected("s1") {
			return
		}
		req := httptest.NewRequest("POST", "/mcp", nil)
		req.RemoteAddr = "160.79.104.10:1"
		req.Header.Set("MCP-Protocol-Version", version)
		w, _, done := r.Watch(httptest.NewRecorder(), req, Facts{Session: "s1", User: "ana@example.com"})
		defer done()
		w.WriteHeader(status)
	}
	call()
	if got := r.keys(); got != "call.version" {
		t.Fatalf("comes to %s", got)
	}
	status, version = http.StatusOK, "2026-07-28"
	for range 10 {
		call()
	}
	if a := r.Attempts()[0]; a.VerdictKey != "connected" || a.Calls != 10 {
		t.Errorf("%s after %d calls", a.VerdictKey, a.Calls)
	}
	r.see(Facts{What: CallExpired, Session: "s1"})
	if r.Connected("s1") {
		t.Error("calls need no look after a failure")
	}
	r.Ended("s1")
	if got := r.keys(); got != "over" {
		t.Errorf("comes to %s", got)
	}
}

// A session of before this run is no attempt to connect.
func TestSessionFromBefore(t *testing.T) {
	r := newRig()
	for range 3 {
		if r.Connected("old") {
			continue
		}
		w, _, done := r.Watch(httptest.NewRecorder(), httptest.NewRequest("POST", "/mcp", nil), Facts{Session: "old"})
		w.WriteHeader(http.StatusAccepted)
		done()
	}
	if got := r.keys(); got != "" || !r.Connected("old") {
		t.Errorf("came to %q", got)
	}
	r.Ended("old")
	if r.Connected("old") || r.keys() != "" {
		t.Error("it lives on")
	}
}

// The path of a request is told only where it is one of those that we name.
func TestPathsKeepNothing(t *testing.T) {
	r := newRig()
	h := r.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	const secret = "dba_abcdefghijklmnopqrstuvwxyz0123456789"
	for _, path := range []string{"/" + secret, "/sse/" + secret, "/.well-known/oauth-protected-resource/" + secret, "/mcp/.well-known/" + secret, "/?access_token=" + secret} {
		req := httptest.NewRequest("POST", path, nil)
		req.Header.Set("User-Agent", "x/"+secret)
		req.Header.Set("Referer", secret)
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	if got := fmt.Sprintf("%+v", r.Attempts()); strings.Contains(got, secret) {
		t.Errorf("told: %s", got)
	}
}

func TestNobodyRecords(t *testing.T) {
	var none *Recorder
	none.Saw(httptest.NewRequest("GET", "/", nil), Facts{What: Probed})
	none.Ended("s")
	Note(t.Context(), Facts{What: Probed})
	if !none.Connected("s") || len(none.Attempts()) != 0 || none.Wrap(http.NotFoundHandler()) == nil {
		t.Error("a nil recorder does something")
	}
}

func TestConcurrentUse(t *testing.T) {
	r := New(time.Now)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 300 {
				for _, f := range goodSteps {
					f.Flow, f.Session = f.Flow+fmt.Sprint(i), f.Session+fmt.Sprint(i)
					r.record(seen{Facts: f, at: time.Now(), remote: fmt.Sprintf("192.0.2.%d", j%200)})
				}
				r.Connected(fmt.Sprint("s1", i))
				r.Ended(fmt.Sprint("s1", i))
				for _, a := range r.Attempts()[:1] {
					_ = a.Outcome == status.OK
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkConnected is what the timeline costs a tool call.
func BenchmarkConnected(b *testing.B) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !r.Connected("s1") {
			b.Fatal("not connected")
		}
	}
}
