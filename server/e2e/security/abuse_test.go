package security

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// T27, fastmcp #4405: it handles DNS rebinding and pages of other sites: 403
// before anything is created, with a good token too.
func TestSecRebinding(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	port := app.URL[strings.LastIndex(app.URL, ":"):]
	before, sessions := len(app.Events(t)), app.Sessions(t)[0].Requests
	for name, headers := range map[string][]string{
		"another host":            {"Host", "evil.example"},
		"another host, our port":  {"Host", "evil.example" + port},
		"a name that starts ours": {"Host", "127.0.0.1.evil.example" + port},
		"another port":            {"Host", "127.0.0.1:1"},
		"a trailing dot":          {"Host", "localhost." + port},
		"another origin":          {"Origin", "https://evil.example"},
		"a null origin":           {"Origin", "null"},
		"loopback in name only":   {"Origin", "http://localhost.evil.example"},
		"loopback as user":        {"Origin", "http://localhost@evil.example"},
		"an extension":            {"Origin", "chrome-extension://abcdefgh"},
		"https on loopback":       {"Origin", "https://localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			for path, body := range map[string]string{
				"/mcp":  `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + rig.LegacyVersion + `","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`,
				"/mcp/": "{}", "/register": `{"redirect_uris":["` + rig.ClientURI + `"]}`, "/token": "grant_type=refresh_token&client_id=" + c.ID + "&refresh_token=" + tokens.Refresh,
				"/revoke": "client_id=" + c.ID + "&token=" + tokens.Refresh,
			} {
				kind := "application/json"
				if path == "/token" || path == "/revoke" {
					kind = "application/x-www-form-urlencoded"
				}
				r := app.Do(t, "POST", path, strings.NewReader(body), append(headers, "Content-Type", kind, "Authorization", "Bearer "+tokens.Access)...)
				if r.Status != http.StatusForbidden || r.Header.Get("Mcp-Session-Id") != "" || r.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s: %d", path, r.Status)
				}
			}
		})
	}
	if n := len(app.Events(t)); n != before || app.Sessions(t)[0].Requests != sessions {
		t.Errorf("%d new events", n-before)
	}
	app.MustWorkWith(t, app.MustRefresh(t, c, tokens.Refresh).Access)
}

// fromAddress is a client whose requests come from another loopback address.
func fromAddress(t testing.TB, ip string) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: rig.PlainHTTP.CheckRedirect}
	if l, err := net.Listen("tcp", ip+":0"); err != nil {
		rig.Missing(t, "the loopback address "+ip)
	} else {
		l.Close()
	}
	return client
}

// T48, fastmcp #4413: it handles 5,000 registrations: most are told to wait,
// none leaves a trace on the disk beyond the bounded history, memory stays, and
// other addresses are served meanwhile.
func TestSecFloodOfRegistrations(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	neighbour := fromAddress(t, "127.0.0.2")
	body := `{"client_name":"` + strings.Repeat("x", 2000) + `","redirect_uris":["` + rig.ClientURI + `"]}`
	register := func(client *http.Client) (*http.Client, *http.Request) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", app.URL+"/register", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		return client, req
	}
	rig.Flood(t, 50, func(int) (*http.Client, *http.Request) { return register(rig.PlainHTTP) }) // warm up
	heapBefore, served := rig.HeapSize(), 0
	statuses := rig.Flood(t, 5000, func(i int) (*http.Client, *http.Request) {
		if i%500 == 0 {
			return register(neighbour)
		}
		return register(rig.PlainHTTP)
	})
	_, req := register(nil)
	if resp, err := neighbour.Do(req); err == nil {
		served = resp.StatusCode
		resp.Body.Close()
	}
	if served != http.StatusCreated {
		t.Errorf("another address is answered %d meanwhile", served)
	}
	if statuses[429] < 4000 || statuses[201] < 11 || statuses[201]+statuses[429] != 5000 {
		t.Errorf("answers %v", statuses)
	}
	if grown := int64(rig.HeapSize()) - int64(heapBefore); grown > 8<<20 {
		t.Errorf("the heap grew by %d KB", grown>>10)
	}
	app.Stop() // writes what it has to write
	if info, err := os.Stat(filepath.Join(app.Options.DataDir, "state.db")); err != nil || info.Size() > 1<<20 {
		t.Errorf("state.db has %d bytes (%v)", info.Size(), err)
	}
	app.Start()
	if n := len(app.Srv.Clients()); n != 0 {
		t.Errorf("%d clients are remembered, want none", n)
	}
}

// T48: it handles sign-ins that are begun and never finished, made as large as
// possible. What they leave in memory is small and ends.
func TestSecFloodOfSignIns(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
	values := cloned(req.Values)
	values.Set("junk", strings.Repeat("j", 50_000))
	values.Set("login_hint", strings.Repeat("h", 8_000))
	form := values.Encode()
	begin := func(client *http.Client) (*http.Client, *http.Request) {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", app.URL+"/authorize", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return client, r
	}
	rig.Flood(t, 16, func(int) (*http.Client, *http.Request) { return begin(rig.PlainHTTP) })
	before := rig.HeapSize()
	begun := time.Now()
	statuses := rig.Flood(t, 1500, func(int) (*http.Client, *http.Request) { return begin(rig.PlainHTTP) })
	// 300 at once, then a hundred a second: a slow machine may serve all of them.
	if most := 300 + int(100*time.Since(begun).Seconds()) + 1; statuses[302] < 250 || statuses[302] > most || statuses[302]+statuses[429] != 1500 {
		t.Errorf("answers %v, and at most %d may be served", statuses, most)
	}
	if grown := int64(rig.HeapSize()) - int64(before); grown > 6<<20 {
		t.Errorf("%d unfinished sign-ins hold %d KB", statuses[302], grown>>10)
	}
	// Somebody elsewhere signs in as if nothing were.
	neighbour := fromAddress(t, "127.0.0.3")
	if resp, err := neighbour.Get(req.URL(app)); err != nil || resp.StatusCode != http.StatusFound {
		t.Errorf("another address: %v", err)
	}
}

// It handles a scope of thousands of words without spending time on it.
func TestSecLongScope(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
	var scope strings.Builder
	for i := range 15_000 {
		fmt.Fprintf(&scope, "%x ", i)
	}
	values := cloned(req.Values)
	values.Set("scope", scope.String()[:60_000])
	form := values.Encode()
	begun := time.Now()
	for range 10 {
		r := app.Do(t, "POST", "/authorize", strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded")
		if r.Status == http.StatusInternalServerError {
			t.Fatalf("answered %d", r.Status)
		}
	}
	if took := time.Since(begun); took > rig.Within(time.Second) {
		t.Errorf("ten requests took %v", took)
	}
}

// T21, fastmcp #3784: it handles many sign-ins at once in one browser: one
// cookie for all of them, and each can be finished.
func TestSecManySignInsOneBrowser(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	b := rig.NewBrowser(t)
	var requests []*rig.AuthRequest
	var pages []*rig.Page
	for range 40 {
		req := app.NewAuthRequest(c)
		requests = append(requests, req)
		pages = append(pages, b.OpenUntil(req.URL(app), rig.ClientURI))
	}
	size := 0
	cookies := b.Cookies(app.URL)
	for _, cookie := range cookies {
		size += len(cookie.Name) + len(cookie.Value)
	}
	if len(cookies) > 2 || size > 300 {
		t.Errorf("%d cookies of %d bytes", len(cookies), size)
	}
	for _, i := range []int{39, 0, 17} {
		back := b.Walk(pages[i], "alice", rig.ClientURI)
		if back.Query("code") == "" || back.Query("state") != requests[i].Values.Get("state") {
			t.Errorf("sign-in %d: error %q", i, back.Query("error"))
			continue
		}
		app.MustWorkWith(t, app.MustTokens(t, app.Redeem(t, requests[i], back.Query("code"))).Access)
	}
}

// It handles a flood of requests without a token, from 60 addresses: everybody
// still learns how to sign in, those who share an address with it too.
func TestSecFloodOfFirstRequests(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	const first = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`
	var clients []*http.Client
	for i := range 60 {
		clients = append(clients, fromAddress(t, fmt.Sprintf("127.9.1.%d", i+1)))
	}
	statuses := rig.Flood(t, 20_000, func(i int) (*http.Client, *http.Request) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", app.MCPURL, strings.NewReader(first))
		return clients[i%len(clients)], req
	})
	if statuses[401] != 20_000 {
		t.Errorf("answered %v", statuses)
	}
	for i := range 40 {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", app.MCPURL, strings.NewReader(first))
		resp, err := clients[i].Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "resource_metadata=") {
			t.Errorf("an honest first request: %d %v", resp.StatusCode, resp.Header)
		}
	}
}

// It handles a person who opens the URL that they were to give a client: the page
// of /, with the status and the challenge that the client would have had.
func TestSecMCPURLInABrowser(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	page := app.Get(t, "/")
	for _, path := range []string{"/mcp", "/mcp/", "/s/any/mcp"} {
		program := app.Get(t, path)
		r := app.Do(t, "GET", path, nil, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		if r.Status != http.StatusUnauthorized || r.Body != page.Body || r.Header.Get("WWW-Authenticate") != program.Header.Get("WWW-Authenticate") || r.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %v", path, r.Status, r.Header)
		}
		for name, values := range page.Header {
			if name != "Date" && name != "Content-Length" && r.Header.Get(name) != values[0] {
				t.Errorf("%s: %s is %q, that of the page %q", path, name, r.Header.Get(name), values[0])
			}
		}
		if strings.Contains(program.Body, "<html") {
			t.Errorf("%s: a program gets a page", path)
		}
	}
}

// It handles a guesser of tokens: told to slow down, while the holder of a good
// one at the same address is served.
func TestSecFloodOfBadTokens(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	statuses := rig.Flood(t, 1000, func(int) (*http.Client, *http.Request) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", app.MCPURL, strings.NewReader("{}"))
		req.Header.Set("Authorization", "Bearer "+tokens.Access[:50]+"AAAAAAAAAA")
		return rig.PlainHTTP, req
	})
	if statuses[401] > 400 || statuses[401]+statuses[429] != 1000 {
		t.Errorf("answers %v", statuses)
	}
	app.MustWorkWith(t, tokens.Access)
}
