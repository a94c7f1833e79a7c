package soak

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// flooded is the real program behind a proxy that it trusts, so that one test
// can be thousands of addresses; and one good client that works all the while.
type flooded struct {
	*rig.App
	t      testing.TB
	client rig.Client
	tokens rig.Tokens
	good   *http.Client // its connections are its own
}

const goodAddress = "203.0.113.7"

func startFlooded(t testing.TB) *flooded {
	app := rig.StartBinary(t, rig.AppOptions{Config: func(c *config.Config) { c.Tunnel.TrustedProxies = []string{"127.0.0.1"} }})
	f := &flooded{App: app, t: t, client: app.Register(t, rig.ClientURI), good: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
	f.tokens = app.SignIn(t, rig.NewBrowser(t), f.client, "alice")
	return f
}

// call is one tool call of the good client. It returns how long it took.
func (f *flooded) call() (time.Duration, error) {
	body, headers := rig.EchoCall(rig.ModernVersion, "")
	req, err := http.NewRequest(http.MethodPost, f.MCPURL, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(strings.TrimSpace(headers), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			req.Header.Set(name, value)
		}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+f.tokens.Access)
	req.Header.Set("X-Forwarded-For", goodAddress)
	began := time.Now()
	resp, err := f.good.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte("Echo: "))) {
		err = fmt.Errorf("a call is answered %d: %s", resp.StatusCode, rig.Clip(string(answer)))
	}
	return time.Since(began), err
}

// refresh is a refresh of the good client.
func (f *flooded) refresh(t testing.TB) error {
	r := f.Do(t, http.MethodPost, "/token", strings.NewReader("grant_type=refresh_token&client_id="+f.client.ID+"&refresh_token="+f.tokens.Refresh),
		"Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", goodAddress)
	if r.Status != http.StatusOK {
		return fmt.Errorf("a refresh is answered %d %s", r.Status, r.Error())
	}
	f.tokens = f.MustTokens(t, r)
	return nil
}

// measure calls until stop closes, at least 200 times, with a refresh now and
// then, and returns the p99 of calls.
func (f *flooded) measure(t testing.TB, stop <-chan struct{}) time.Duration {
	var took []time.Duration
	for {
		select {
		case <-stop:
			if len(took) >= 200 {
				slices.Sort(took)
				return took[len(took)*99/100]
			}
		default:
		}
		d, err := f.call()
		if err == nil && len(took)%100 == 99 {
			err = f.refresh(t)
		}
		if err != nil {
			t.Errorf("the good client, call %d: %v", len(took), err)
			return 0
		}
		took = append(took, d)
		time.Sleep(time.Millisecond) // a client, not a load generator
	}
}

func (f *flooded) disk() int64 {
	info, err := os.Stat(filepath.Join(f.Options.DataDir, "state.db"))
	if err != nil {
		f.t.Fatal(err)
	}
	return info.Size()
}

// under runs attack while the good client works, and reports what both felt.
func (f *flooded) under(t *testing.T, what string, attack func(t testing.TB)) {
	closed := make(chan struct{})
	close(closed)
	before := f.measure(t, closed)
	memory, _ := f.Resident(t)
	disk := f.disk()
	stop := make(chan struct{})
	var meanwhile time.Duration
	var wg sync.WaitGroup
	wg.Go(func() { rig.OrFail(t, func(t testing.TB) { meanwhile = f.measure(t, stop) }) })
	began := time.Now()
	rig.OrFail(t, attack)
	took := time.Since(began)
	close(stop)
	wg.Wait()
	during, peak := f.Resident(t)
	after := f.measure(t, closed)
	t.Logf("%s in %v: p99 of the good client %v before, %v meanwhile (%.1f times), %v after; memory %d MB before, %d MB then, %d MB at most; state file %d KB before, %d KB after",
		what, took.Round(time.Millisecond), before, meanwhile, float64(meanwhile)/float64(max(before, 1)), after, memory>>20, during>>20, peak>>20, disk>>10, f.disk()>>10)
	if f.disk() > 16<<20 { // the history is bounded, and the file doubles as it grows
		t.Errorf("the state file has %d KB", f.disk()>>10)
	}
	if during-memory > 256<<20 {
		t.Errorf("memory grew by %d MB", (during-memory)>>20)
	}
}

// strangers sends n requests from as many addresses, 16 at once, and returns
// the statuses.
func (f *flooded) strangers(t testing.TB, n int, make func(i int) *http.Request) map[int]int {
	var next atomic.Int64
	var mu sync.Mutex // guards statuses
	statuses := map[int]int{}
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second, CheckRedirect: rig.PlainHTTP.CheckRedirect}
	defer client.CloseIdleConnections()
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				req := make(i)
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.%d.%d.%d", 18+i>>16&1, i>>8&255, i&255))
				status := 0
				if resp, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					status = resp.StatusCode
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return statuses
}

// times is n, or small where the long runs are not asked for.
func times(n, small int) int {
	if rig.Long() {
		return n
	}
	return small
}

// It handles floods of every kind, from thousands of addresses: a client that
// has signed in works on meanwhile, and neither memory nor disk grows for it.
func TestFlood(t *testing.T) {
	f := startFlooded(t)
	post := func(path, kind, body string) *http.Request {
		req, _ := http.NewRequest(http.MethodPost, f.URL+path, strings.NewReader(body))
		req.Header.Set("Content-Type", kind)
		return req
	}
	only := func(t testing.TB, statuses map[int]int, may ...int) {
		for status := range statuses {
			if !slices.Contains(may, status) {
				t.Errorf("answers %v, may be %v", statuses, may)
			}
		}
	}
	const form = "application/x-www-form-urlencoded"
	registration := `{"client_name":"` + strings.Repeat("x", 500) + `","redirect_uris":["` + rig.ClientURI + `"]}`
	t.Run("registrations", func(t *testing.T) {
		n := times(50_000, 400)
		f.under(t, fmt.Sprint(n, " registrations"), func(t testing.TB) {
			only(t, f.strangers(t, n, func(int) *http.Request { return post("/register", "application/json", registration) }), 201, 429)
		})
	})
	t.Run("sign-ins", func(t *testing.T) {
		n := times(50_000, 3300) // more than all addresses together are allowed at once
		f.under(t, fmt.Sprint(n, " sign-ins begun"), func(t testing.TB) {
			only(t, f.strangers(t, n, func(int) *http.Request {
				return post("/authorize", form, f.NewAuthRequest(f.client).Values.Encode())
			}), 302, 429)
		})
	})
	t.Run("bad tokens", func(t *testing.T) {
		n := times(50_000, 400)
		f.under(t, fmt.Sprint(n, " bad tokens"), func(t testing.TB) {
			only(t, f.strangers(t, n, func(i int) *http.Request {
				req := post("/mcp", "application/json", "{}")
				req.Header.Set("Authorization", fmt.Sprintf("Bearer dba_%060d", i))
				return req
			}), 401, 429)
		})
	})
	t.Run("bad refresh tokens", func(t *testing.T) {
		n := times(50_000, 3300)
		f.under(t, fmt.Sprint(n, " bad refresh tokens"), func(t testing.TB) {
			only(t, f.strangers(t, n, func(i int) *http.Request {
				return post("/token", form, fmt.Sprintf("grant_type=refresh_token&client_id=%s&refresh_token=dbr_%060d", f.client.ID, i))
			}), 400, 429)
		})
	})
	t.Run("headers", func(t *testing.T) {
		n := times(20_000, 200)
		large, cookies := strings.Repeat("h", 30_000), strings.TrimSuffix(strings.Repeat("drawbridge=0123456789012345678901234567890123456789abc; ", 500), "; ")
		f.under(t, fmt.Sprint(n, " requests with large headers or 500 cookies"), func(t testing.TB) {
			only(t, f.strangers(t, n, func(i int) *http.Request {
				req, _ := http.NewRequest(http.MethodGet, f.URL+"/consent?flow=x", nil)
				if i%2 == 0 {
					req.Header.Set("X-Large", large)
				} else {
					req.Header.Set("Cookie", cookies)
				}
				return req
			}), 400, 429, 431)
		})
	})
	t.Run("deep JSON", func(t *testing.T) {
		n := times(20_000, 200)
		deep := strings.Repeat("[", 30_000)
		f.under(t, fmt.Sprint(n, " deep bodies"), func(t testing.TB) {
			only(t, f.strangers(t, n, func(i int) *http.Request {
				if i%2 == 0 {
					return post("/register", "application/json", `{"redirect_uris":`+deep)
				}
				return post("/mcp", "application/json", deep)
			}), 400, 401, 429)
		})
	})
	t.Run("connections", func(t *testing.T) { f.connections(t, times(10_000, 200), "") })
	t.Run("slow bodies", func(t *testing.T) {
		f.connections(t, times(5_000, 100), "POST /token HTTP/1.1\nHost: HOST\nContent-Type: "+form+"\nContent-Length: 1000\n\ngrant")
	})
	if len(f.Sessions(t)) != 1 {
		t.Errorf("%d sessions", len(f.Sessions(t)))
	}
	rig.OrFail(t, func(t testing.TB) {
		if err := f.refresh(t); err != nil {
			t.Error(err)
		}
	})
}

// connections opens n that begin a request and never end it.
func (f *flooded) connections(t *testing.T, n int, begin string) {
	host := strings.TrimPrefix(f.URL, "http://")
	begin = strings.ReplaceAll(strings.ReplaceAll(begin, "\n", "\r\n"), "HOST", host)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	f.under(t, fmt.Sprintf("%d connections that send %d bytes", n, len(begin)), func(t testing.TB) {
		for range n {
			c, err := net.Dial("tcp", host)
			if err != nil {
				rig.Missing(t, fmt.Sprintf("room for %d open files (%v)", n, err))
			}
			conns = append(conns, c)
			_, _ = io.WriteString(c, begin)
		}
	})
}
