package console_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/console"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
)

var pagePaths = []string{"/", "/sessions", "/activity", "/servers", "/access", "/clients", "/approvals", "/settings", "/doctor", "/setup", "/panic"}

// verbs is every form, with what makes it do something.
var verbs = []struct {
	path   string
	values []string
	told   string
}{
	{"/overview/pause", nil, "pause"},
	{"/overview/resume", nil, "resume"},
	{"/overview/retry", nil, "retry"},
	{"/overview/accept", []string{"sure", "yes"}, "accept URL"},
	{"/sessions/revoke", []string{"id", "s-ana-1"}, "revoke soon s-ana-1"},
	{"/sessions/keep", []string{"id", "s-ana-1"}, "keep s-ana-1"},
	{"/sessions/rename", []string{"id", "s-ana-2", "label", "office"}, "rename s-ana-2 office"},
	{"/sessions/all", []string{"sure", "yes"}, "revoke all"},
	{"/activity/allow", []string{"uri", "https://global.consent.azure-apim.net/redirect/acme-connector-5f2a"}, "set config"},
	{"/servers/restart", []string{"name", "calendar"}, "restart calendar"},
	{"/servers/on", []string{"name", "notes"}, "switch notes true"},
	{"/servers/off", []string{"name", "files"}, "switch files false"},
	{"/servers/approve", []string{"server", "files", "tool", "read_file"}, "approve files read_file"},
	{"/servers/tool?server=files", []string{"server", "files", "tool", "write_file", "on", "false"}, "switch tool files write_file false"},
	{"/servers/try?server=files&tool=write_file", []string{"arg.path", "a.md", "arg.head", "3"}, `try files write_file {"path":"a.md","head":3}`},
	{"/servers/secret?server=calendar", []string{"secret", "CALENDAR_TOKEN", "value", "x"}, "secret calendar/CALENDAR_TOKEN x"},
	{"/servers/add?add=1", []string{"text", "uvx mcp-server-git"}, "add git"},
	{"/servers/save?server=files&edit=1", []string{"command", "node", "args", "a b\n\nc", "env", "A = b=c"}, `put files node ["a b" "c"] map[A:b=c]`},
	{"/servers/remove?server=notes", []string{"sure", "yes"}, "remove notes"},
	{"/access/look", []string{"email", "bob@example.com", "groups", "staff, night"}, "access bob@example.com staff,night"},
	{"/approvals/answer", []string{"id", "a1", "answer", "allow"}, "answer a1 true"},
	{"/approvals/answer", []string{"id", "a1", "answer", "deny"}, "answer a1 false"},
	{"/approvals/answer", []string{"id", "a1"}, "answer a1 false"},
	{"/doctor/run", nil, "doctor"},
	{"/panic/now", []string{"sure", "yes"}, "panic"},
}

// What a stranger gets holds nothing of the owner's, whatever is asked.
func TestShellHoldsNoData(t *testing.T) {
	rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	_, key, _ := strings.Cut(rig.Link, "#key=")
	for _, path := range append(pagePaths, "/activity/events.jsonl", "/nothing", "/overview/pause", "/console.js", "/live.js", "/morph.js", "/console.css", "/icon.svg") {
		for name, header := range map[string][]string{
			"a stranger": nil, "a cookie": {"Cookie", "token=" + key}, "a stream": {"Accept", "application/x-ndjson"},
			"a wrong token": {"Authorization", "Bearer " + strings.Repeat("A", 43)}, "the key as a token": {"Authorization", "Bearer " + key},
			"an empty token": {"Authorization", "Bearer "}, "basic": {"Authorization", "Basic " + key},
		} {
			a := rig.Do(t, "GET", path+"?token="+key, "", header...)
			for _, secret := range []string{"example.com", "ngrok", "okta", "s-ana", "Ana", "files", "calendar", key} {
				if strings.Contains(a.Body, secret) && !strings.HasSuffix(path, ".js") {
					t.Errorf("%s, %s: the answer holds %q", path, name, secret)
				}
			}
			if static := strings.Contains(path, ".") && path != "/activity/events.jsonl"; len(header) > 0 && header[0] == "Authorization" && !static && a.Status != 401 {
				t.Errorf("%s, %s: %d", path, name, a.Status)
			}
			for k, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
			} {
				if a.Header.Get(k) != want {
					t.Errorf("%s: %s is %q", path, k, a.Header.Get(k))
				}
			}
			policy := a.Header.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'self'",
				"frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
				if !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
					t.Errorf("%s: the policy is %q", path, policy)
				}
			}
			if len(a.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s sets a cookie", path)
			}
		}
	}
}

// Every form does what it says with a token, and nothing without one, or from
// anywhere but the console itself.
func TestForms(t *testing.T) {
	for _, v := range verbs {
		t.Run(v.path+" "+v.told, func(t *testing.T) {
			rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
			token := rig.Token(t)
			port := rig.URL[strings.LastIndex(rig.URL, ":"):]
			form := "sure=yes"
			for i := 0; i+1 < len(v.values); i += 2 {
				form += "&" + v.values[i] + "=" + strings.ReplaceAll(v.values[i+1], "&", "%26")
			}
			for name, c := range map[string]struct {
				status int
				header []string
			}{
				"no token":             {401, nil},
				"another token":        {401, []string{"Authorization", "Bearer " + strings.Repeat("A", 43)}},
				"a foreign origin":     {403, []string{"Authorization", "Bearer " + token, "Origin", "https://evil.example"}},
				"the origin null":      {403, []string{"Authorization", "Bearer " + token, "Origin", "null"}},
				"another port":         {403, []string{"Authorization", "Bearer " + token, "Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"}},
				"another site":         {403, []string{"Authorization", "Bearer " + token, "Sec-Fetch-Site", "cross-site"}},
				"a rebound name":       {403, []string{"Authorization", "Bearer " + token, "Host", "evil.example" + port}},
				"its origin too":       {403, []string{"Authorization", "Bearer " + token, "Host", "evil.example" + port, "Origin", "http://evil.example" + port, "Sec-Fetch-Site", "same-origin"}},
				"localhost, as origin": {403, []string{"Authorization", "Bearer " + token, "Host", "127.0.0.1", "Origin", "http://localhost" + port}},
			} {
				a := rig.Do(t, "POST", v.path, form, append(c.header, "Content-Type", "application/x-www-form-urlencoded")...)
				if told := rig.Told(); a.Status != c.status || len(told) > 0 {
					t.Errorf("%s: %d, want %d; the app was told %v", name, a.Status, c.status, told)
				}
			}
			if a := rig.Get(t, token, v.path); a.Status != http.StatusNotFound || len(rig.Told()) > 0 {
				t.Errorf("by GET: %d", a.Status)
			}
			a := rig.Post(t, token, v.path, v.values...)
			if told := rig.Told(); a.Status != http.StatusOK || len(told) != 1 || told[0] != v.told {
				t.Fatalf("%d, the app was told %q, want %q", a.Status, told, v.told)
			}
			if !strings.Contains(a.Body, `id="flash"`) && !strings.HasPrefix(v.path, "/servers/tool") { // a switch says it itself
				t.Error("the page does not say what was done")
			}
		})
	}
}

// It handles broad verbs without the second step, and forms that name nothing.
func TestFormsThatDoNothing(t *testing.T) {
	rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	token := rig.Token(t)
	for _, c := range []struct {
		name, path string
		values     []string
		status     int
	}{
		{"all without the question", "/sessions/all", nil, 422},
		{"another URL without the question", "/overview/accept", nil, 422},
		{"a session in the address", "/sessions/revoke?id=s-ana-1", nil, 422},
		{"panic without the question", "/panic/now", nil, 422},
		{"panic with the answer in the address", "/panic/now?sure=yes", nil, 422},
		{"a redirect URI that nobody was refused for", "/activity/allow", []string{"uri", "https://evil.example/"}, 422},
		{"an empty redirect URI", "/activity/allow", nil, 422},
		{"a call that does not wait", "/approvals/answer", []string{"id", "a9", "answer", "allow"}, 200},
		{"a server's end without the question", "/servers/remove?server=notes", nil, 422},
		{"a tool that is switched off", "/servers/try?server=files&tool=delete_file", nil, 422},
		{"a tool of no server", "/servers/try?server=none&tool=echo", nil, 422},
		{"a number that is none", "/servers/try?server=files&tool=write_file", []string{"arg.path", "a", "arg.head", "x"}, 422},
		{"a paste that is no server", "/servers/add?add=1", []string{"text", "{}"}, 422},
		{"an entry of no server", "/servers/save?server=none&edit=1", []string{"command", "x"}, 422},
		{"an environment without names", "/servers/save?server=files&edit=1", []string{"command", "x", "env", "nope"}, 422},
		{"nothing chosen", "/servers/import?add=1", nil, 422},
		{"an unknown verb", "/sessions/forget", nil, 404},
		{"an unknown page", "/nothing/now", nil, 404},
	} {
		a := rig.Post(t, token, c.path, c.values...)
		if told := rig.Told(); a.Status != c.status || len(told) > 0 {
			t.Errorf("%s: %d, want %d; the app was told %v", c.name, a.Status, c.status, told)
		}
	}
	if a := rig.Post(t, token, "/sessions/revoke", "id", "gone"); a.Status != 200 || !strings.Contains(a.Body, "ended already") {
		t.Errorf("a session that is gone: %d", a.Status)
	}
	if a := rig.Post(t, token, "/overview/pause", "x", strings.Repeat("x", 1<<20)); a.Status != 400 {
		t.Errorf("1 MB: %d", a.Status)
	}
}

func TestDoor(t *testing.T) {
	var passed atomic.Int64
	rig := consoletest.Start(t, consoletest.Sample(), func() time.Time { return consoletest.Now().Add(time.Duration(passed.Load())) })
	wants := func(name string, a consoletest.Answer, status int, says string) {
		t.Helper()
		if a.Status != status || !strings.Contains(a.Body, says) {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	wants("another run's key", rig.Enter(t, rig.URL+"/#key="+strings.Repeat("A", 43)), 401, "earlier run")
	wants("the same in Japanese", rig.Enter(t, rig.URL+"/#key=A", "Accept-Language", "ja,en;q=0.5"), 401, "以前に起動した")
	wants("an empty key", rig.Enter(t, rig.URL+"/#key="), 401, "earlier run")
	wants("no JSON", rig.Do(t, "POST", "/session", "key="+rig.Link), 400, "earlier run")
	wants("from another site", rig.Enter(t, rig.Link, "Origin", "https://evil.example"), 403, "")

	link := rig.Console.Link()
	if !strings.HasPrefix(link, rig.URL+"/#once=") {
		t.Fatalf("the link is %q", link)
	}
	first := rig.Enter(t, link)
	wants("a link", first, 200, "token")
	thief := strings.Split(first.Body, `"`)[3]
	wants("who came first", rig.Get(t, thief, "/"), 200, "ngrok.app")
	wants("a link again", rig.Enter(t, link), 401, "opened before")
	wants("who came first, after that", rig.Get(t, thief, "/"), 401, "locked")
	wants("a link a third time", rig.Enter(t, link), 401, "opened before")
	wants("a link that is none", rig.Enter(t, rig.URL+"/#once="+strings.Repeat("A", 43)), 401, "a minute")
	old := rig.Console.Link()
	passed.Add(int64(61 * time.Second))
	wants("a link after a minute", rig.Enter(t, old), 401, "a minute")

	token, other := rig.Token(t), rig.Token(t)
	passed.Add(int64(3 * time.Hour))
	wants("after three hours", rig.Get(t, token, "/"), 200, "ngrok.app")
	passed.Add(int64(3 * time.Hour))
	wants("of use", rig.Get(t, token, "/"), 200, "ngrok.app")
	wants("of none", rig.Get(t, other, "/"), 401, "locked")
	passed.Add(int64(5 * time.Hour))
	wants("a stream, which is no use", rig.Get(t, token, "/", "Accept", "application/x-ndjson"), 401, "locked")

	// Panic ends all tokens and links but its own.
	token, other, link = rig.Token(t), rig.Token(t), rig.Console.Link()
	a := rig.Post(t, token, "/panic/now", "sure", "yes")
	wants("panic", a, 200, "3 sessions were revoked")
	wants("a token after panic", rig.Get(t, other, "/"), 401, "Panic")
	wants("its own old one", rig.Get(t, token, "/"), 401, "Panic")
	wants("its own new one", rig.Get(t, a.Header.Get("Drawbridge-Token"), "/"), 200, "ngrok.app")
	wants("a link after panic", rig.Enter(t, link), 401, "a minute")

	oldest := rig.Token(t)
	for range 64 { // tabs are bounded: the oldest goes
		passed.Add(1)
		rig.Token(t)
	}
	wants("one tab too many", rig.Get(t, oldest, "/"), 401, "locked")
}

// It handles a secret that was typed into the wrong field: the page may repeat
// it, the log does not.
func TestSecRefusalIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	pages, err := console.New(console.Options{Backend: consoletest.New(consoletest.Sample()), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	pages.Open("http://127.0.0.1:1", "key")
	send := func(path, body, token string) string {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		return w.Body.String()
	}
	var entered struct{ Token string }
	if err := json.Unmarshal([]byte(send("/session", `{"key":"key"}`, "")), &entered); err != nil {
		t.Fatal(err)
	}
	const secret = "sk-live-51Hk2"
	if page := send("/servers/save?server=files&edit=1", "remote=false&command=node&env="+secret, entered.Token); !strings.Contains(page, secret) {
		t.Errorf("the refusal is %s", page)
	}
	if strings.Contains(log.String(), secret) || !strings.Contains(log.String(), "/servers/save") {
		t.Errorf("logged: %s", &log)
	}
}
