package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// op is one random step. Its numbers choose among what there is when its turn
// comes, so that steps before it can be left out and it still means something.
type op struct {
	kind string
	a, b int
}

func (o op) String() string { return fmt.Sprintf("{%q, %d, %d}", o.kind, o.a, o.b) }

// modelClock is moved by steps alone.
type modelClock struct{ ms atomic.Int64 }

func (c *modelClock) Now() time.Time { return time.UnixMilli(c.ms.Load()) }

// modelRun is one Drawbridge beside the rules.
type modelRun struct {
	t        testing.TB
	app      *rig.App
	provider *modelProvider
	clock    *modelClock // nil: the real program, on the real clock

	clients []rig.Client
	flows   []*modelFlowState
	codes   []*modelCodeState
	grants  []*modelGrant
	off     string        // a person taken off the access list, ""
	awayEnd time.Time     // until then discovery may not be tried again
	setBack time.Duration // how far the clock went back while the provider was away
	taking  op
	seen    map[string]int // how often each thing happened that a run must reach
}

type modelFlowState struct {
	req     *rig.AuthRequest
	browser *rig.Browser
	page    *rig.Page
	started time.Time
	over    bool
	aged    bool   // its time was up once, whatever the clock says now
	back    string // the provider's latest answer, on its way to our callback
	old     []string
	person  string
}

// runModel takes steps until one is not answered by the rules. It returns how
// many were taken, and what was wrong with the last.
func runModel(t testing.TB, real bool, steps []op) (taken int, seen map[string]int, err error) {
	m := &modelRun{t: t, seen: map[string]int{}}
	if m.provider, err = newModelProvider(m.now); err != nil {
		return 0, nil, err
	}
	defer m.provider.Close()
	err = rig.Softly(t, func(t testing.TB) { m.start(t, real) })
	if err != nil {
		return 0, nil, err
	}
	defer func() {
		if stopped := rig.Softly(t, func(testing.TB) { m.app.Stop() }); err == nil {
			err = stopped
		}
	}()
	for i, o := range steps {
		if err := rig.Softly(t, func(t testing.TB) { m.t, m.app.T = t, t; m.step(o) }); err != nil {
			return i + 1, m.seen, fmt.Errorf("step %d, %v: %w", i+1, o, err)
		}
	}
	err = rig.Softly(t, func(t testing.TB) { m.t, m.app.T = t, t; m.settle() })
	return len(steps), m.seen, err
}

func (m *modelRun) start(t testing.TB, real bool) {
	o := rig.AppOptions{Issuer: m.provider.URL, Config: func(c *config.Config) {
		c.Access = config.Access{Emails: []string{"alice@example.com", "bob@example.com"}}
	}}
	if real {
		m.app = rig.StartBinary(t, o)
	} else {
		m.clock = &modelClock{}
		m.clock.ms.Store(time.Now().UnixMilli())
		o.Now = m.clock.Now
		m.app = rig.StartApp(t, o)
	}
	m.clients = []rig.Client{m.app.Register(t, rig.ClientURI)}
}

func (m *modelRun) now() time.Time {
	if m.clock == nil {
		return time.Now()
	}
	return m.clock.Now()
}

// close reports whether a moment is too near to call on the real clock.
func (m *modelRun) close(moment time.Time) bool {
	return m.clock == nil && m.now().Sub(moment).Abs() < 3*time.Second
}

// step takes o, then asks for tokens and looks at the list of sessions.
func (m *modelRun) step(o op) {
	m.advance(time.Duration(200+o.b%800) * time.Millisecond)
	m.taking = o
	modelSteps[o.kind](m, o)
	for i := range 6 {
		if g := pick(m.grants, o.a*7+i*13+o.b); g != nil && len(g.access) > 0 {
			a := g.access[(o.b+i*5)%len(g.access)]
			// Asking is using: of the newest generation only now and then.
			if a.gen != g.gen || g.used && !g.usedDoubt || (o.a+o.b+i)%8 == 0 {
				m.use(g, a)
			}
		}
	}
	m.compareList()
}

func (m *modelRun) compareList() {
	must, may := listed(m.grants, m.now())
	var have []string
	for _, s := range m.app.Sessions(m.t) {
		if !slices.Contains(may, s.ID) {
			have = append(have, s.ID)
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, must) {
		m.t.Fatalf("the owner sees %d sessions, and there are %d: %v, want %v", len(have), len(must), have, must)
	}
}

// advance lets time pass; real time for the real program.
func (m *modelRun) advance(d time.Duration) {
	if m.clock == nil {
		time.Sleep(min(d, 20*time.Millisecond)) // else the limit of requests by address is met
		return
	}
	m.clock.ms.Add(d.Milliseconds())
	now := m.now()
	for _, g := range m.grants {
		g.clockMoved(now)
	}
	for _, f := range m.flows {
		f.aged = f.aged || now.Sub(f.started) > modelFlow
	}
	for _, c := range m.codes {
		c.aged = c.aged || now.Sub(c.issued) > 10*time.Minute
	}
}

// use asks for an access token.
func (m *modelRun) use(g *modelGrant, a modelToken) {
	if m.close(a.exp) {
		return
	}
	want := g.opens(a, m.now())
	// A request without a session is refused by the gateway, but only after
	// the guard has let it pass.
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodDelete, m.app.MCPURL, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.text)
	var resp *http.Response
	for range 2 { // a request amid which its grant ends is to be sent again
		if resp, err = rig.PlainHTTP.Do(req); err != nil {
			m.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			break
		}
	}
	if resp.StatusCode == http.StatusTooManyRequests && m.clock == nil { // too many bad tokens for the real clock
		time.Sleep(time.Second)
		return
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		m.t.Fatalf("an access token is answered %d", resp.StatusCode)
	}
	works := resp.StatusCode != http.StatusUnauthorized
	if want != either && works != (want == granted) {
		m.t.Fatalf("an access token of generation %d of %d works: %t (the grant is over: %t, %s; it ends in %v)", a.gen, g.gen, works, g.over, g.why, a.exp.Sub(m.now()))
	}
	m.seen[fmt.Sprintf("access token works: %t", works)]++
	if works {
		g.saw(a.gen)
	} else if want == either {
		g.over = true
	}
}

// mood is what the provider would say of a person right now: "yes", "no" or
// "later".
func (m *modelRun) mood(person string) string {
	p := m.provider
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.mode == "away", p.mode == "misconfigured":
		return "later"
	case p.mode == "refusing", p.away[person]:
		return "no"
	case p.mode == "garbled":
		return "later"
	}
	return "yes"
}

// patient reports whether an answer of 503 may be an outage's echo: discovery
// is tried again after half a minute at most.
func (m *modelRun) patient() bool { return m.now().Before(m.awayEnd) }

func personName(i int) string { return [...]string{"alice", "bob"}[i] }

// end is the end of a grant by the rules.
func (m *modelRun) end(g *modelGrant) {
	if !g.over {
		g.why = "since " + m.taking.String()
	}
	if !g.over && m.provider.isAway() {
		g.spared = true // the provider is told when it is back; by then a day may have passed
	}
	g.over = true
}

func (p *modelProvider) isAway() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode != "ok"
}

// killCopy is kill -9 within this process: what the disk holds at this moment
// goes on in a new folder. The copy is what a kill leaves if no transaction
// ended meanwhile, which the two pages at the file's head tell.
func (m *modelRun) killCopy() {
	from, dir := filepath.Join(m.app.Options.DataDir, "state.db"), m.t.TempDir()
	for range 100 {
		before, err := head(from)
		data, err2 := os.ReadFile(from)
		after, err3 := head(from)
		if err := errors.Join(err, err2, err3); err != nil {
			m.t.Fatal(err)
		}
		if !bytes.Equal(before, after) || !bytes.Equal(before, data[:len(before)]) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "state.db"), data, 0o600); err != nil {
			m.t.Fatal(err)
		}
		m.stop()
		_ = os.RemoveAll(m.app.Options.DataDir)
		m.app.Options.DataDir = dir
		return
	}
	m.t.Fatal("the state file never kept still")
}

// stop ends the app in the orderly way. A connection that was opened and never
// used would keep it for five seconds.
func (m *modelRun) stop() {
	rig.PlainHTTP.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	m.app.Stop()
}

// head reads the two meta pages of a bbolt file.
func head(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 2*os.Getpagesize())
	_, err = io.ReadFull(f, b)
	return b, err
}

// settle is the end of a run: with the provider well again, everything that is
// over here must be over there.
func (m *modelRun) settle() {
	m.provider.set(func(p *modelProvider) { p.mode = "ok" })
	m.stop()
	m.app.Start()
	m.forgotten()
	m.compareList()
	for i, g := range m.grants {
		if g.over && !g.overDoubt && !g.spared && g.upstream != "" {
			rig.WaitFor(m.t, fmt.Sprintf("grant %d, over %s, to end at the provider", i, g.why), func() bool { return !m.provider.lives(g.upstream) })
		}
		if !g.over && !g.overDoubt && g.upstream != "" && m.now().Before(g.expires) && !m.provider.lives(g.upstream) {
			m.t.Fatalf("grant %d lives, but the provider's token does not", i)
		}
	}
}

// pick returns one of list, or the zero value of an empty one.
func pick[T any](list []T, n int) (zero T) {
	if len(list) == 0 {
		return zero
	}
	return list[n%len(list)]
}

func sequence(steps []op) string {
	var b strings.Builder
	for _, o := range steps {
		fmt.Fprintf(&b, "\t%v,\n", o)
	}
	return b.String()
}
