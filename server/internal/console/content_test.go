package console_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const evil = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'>`</template></textarea>\u202e\u200b\x1b[2J{{.}}javascript:alert(3)"

// poison puts evil into every text below v.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(v.String() + evil)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				poison(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(k))
			poison(item)
			v.SetMapIndex(k, item)
		}
	}
}

// It handles HTML, scripts and characters that reorder text in every field.
func TestHostileTexts(t *testing.T) {
	d := consoletest.Sample()
	poison(reflect.ValueOf(&d).Elem())
	d.Status.State, d.Fail = status.Ready, nil
	d.Config = consoletest.Sample().Config // the file refuses what is not printable
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	bodies := map[string]string{}
	for _, lang := range []string{"en", "ja"} {
		for _, path := range append(pagePaths, "/activity?show=attempts", "/activity?text="+url.QueryEscape(evil)+"&group=%22%3E%3Cimg%3E") {
			bodies[path+" "+lang] = rig.Get(t, token, path, "Accept-Language", lang).Body
		}
	}
	bodies["doctor's"] = rig.Post(t, token, "/doctor/run").Body
	bodies["access"] = rig.Post(t, token, "/access/look", "email", evil, "groups", evil).Body
	for name, body := range bodies {
		if len(body) < 500 {
			t.Errorf("%s: %s", name, body)
		}
		root, err := html.Parse(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for n := range root.Descendants() {
			if n.Type == html.TextNode && strings.ContainsAny(n.Data, "\u202e\u200b\x1b") {
				t.Errorf("%s: %.80q is not cleaned", name, n.Data)
			}
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "img", "script", "iframe", "object", "embed", "base", "style", "link":
				t.Errorf("%s: has <%s>", name, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
					t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
				}
				if (a.Key == "href" || a.Key == "action" || a.Key == "src") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "?") &&
					!strings.HasPrefix(a.Val, "https://claude.ai/") && !strings.HasPrefix(a.Val, "https://chatgpt.com/") &&
					!strings.HasPrefix(a.Val, "cursor://anysphere.cursor-deeplink/mcp/install?") && !strings.HasPrefix(a.Val, "vscode:mcp/install?") && !strings.HasPrefix(a.Val, "lmstudio://add_mcp?") {
					t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

// It handles texts without end: a page stays a page.
func TestLongTexts(t *testing.T) {
	d := consoletest.Sample()
	long := strings.Repeat("long ", 40_000) // each alone is longer than a page may be
	for i := range d.Sessions {
		d.Sessions[i].Client.Name, d.Sessions[i].User.Email, d.Sessions[i].LastTool = long, long, long
	}
	d.Approvals[0].Arguments, d.Changes[0].New, d.Changes[0].Tool = strings.Repeat("{\n", 100_000), long, long
	d.Status.IDP.Error, d.Checks[0].Result = long, long
	for i := range d.Events {
		d.Events[i].Reason, d.Events[i].Client = long, long
	}
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	for _, path := range []string{"/", "/sessions", "/activity", "/approvals"} {
		if n := len(rig.Get(t, token, path).Body); n > 150_000 {
			t.Errorf("%s: %d bytes", path, n)
		}
	}
}

// Every page says its texts, in both languages, and none says the name of one.
func TestLanguages(t *testing.T) {
	rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	token := rig.Token(t)
	for _, c := range []struct{ accept, lang, sessions string }{
		{"", "en", "4 sessions"}, {"en-GB,en;q=0.9,ja;q=0.8", "en", "4 sessions"}, {"ja", "ja", "4 件のセッション"},
		{"de-DE,ja;q=0.7,en;q=0.3", "ja", "4 件のセッション"}, {"fr", "en", "4 sessions"}, {"ja;q=0,en", "en", "4 sessions"},
	} {
		for _, path := range append(pagePaths, "/activity?show=attempts") {
			a := rig.Get(t, token, path, "Accept-Language", c.accept)
			if a.Status != 200 || !strings.Contains(a.Body, `<html lang="`+c.lang+`">`) {
				t.Errorf("%s in %q: %d", path, c.accept, a.Status)
			}
			for _, bad := range []string{"[", "%!"} {
				if i := strings.Index(a.Body, bad); i >= 0 && !strings.HasPrefix(a.Body[i:], "[clients]") {
					t.Errorf("%s in %q: a text is missing: %.60s", path, c.accept, a.Body[i:])
				}
			}
		}
		if a := rig.Get(t, token, "/sessions", "Accept-Language", c.accept); !strings.Contains(a.Body, c.sessions) {
			t.Errorf("in %q the page does not say %q", c.accept, c.sessions)
		}
	}
}

// What another part of Drawbridge says in English is shown in translation where
// there is one, and marked as English where there is none.
func TestTranslatedSentences(t *testing.T) {
	const known = "A client ID has no spaces in it. Copy it again from the app at the provider."
	d := consoletest.Sample()
	d.Status.Tunnel.Error, d.Status.IDP.Error = known, "Something new."
	rig := consoletest.Start(t, d, consoletest.Now)
	body := rig.Get(t, rig.Token(t), "/", "Accept-Language", "ja").Body
	for _, want := range []string{`lang="ja">クライアント ID に空白は入りません。`, `lang="en">Something new.`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestFilters(t *testing.T) {
	d := consoletest.Sample()
	for i := range 130 {
		d.Events = append(d.Events, status.Event{ID: fmt.Sprint("tool-", i), Time: consoletest.Now().Add(time.Duration(i) * time.Second), Type: status.ToolCalled,
			Outcome: status.OK, User: "Kei@example.co.jp", Client: "Claude Code", Tool: fmt.Sprint("t", i)})
	}
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	for _, c := range []struct {
		query    string
		n        int
		has, not string
	}{
		{"", 139, "tool-129", "tool-1<"},
		{"page=3", 139, "ev1", "tool-129"},
		{"page=99", 139, "ev1", "tool-129"},
		{"page=-1", 139, "tool-129", "ev1<"},
		{"group=signin", 2, "ev5", "ev8"},
		{"group=tool&user=ANA", 1, "ev9", "tool-129"},
		{"outcome=error", 2, "ev8", "ev9"},
		{"client=copilot", 1, "ev4", "ev5"},
		{"text=timeout", 1, "ev6", "ev5"},
		{"text=azure-apim", 1, "ev4", "ev5"},
		{"user=ana&outcome=ok&group=signin&text=203.0.113.7", 1, "ev3", "ev9"},
		{"user=nobody", 0, "Nothing matches.", "ev"},
		{"show=attempts", 3, "attempt-t1", "event-"},
		{"show=attempts&outcome=refused", 1, "attempt-t2", "attempt-t1"},
		{"show=attempts&text=redirect", 1, "attempt-t2", "attempt-t1"},
		{"show=attempts&user=ana", 1, "attempt-t1", "attempt-t2"},
	} {
		body := rig.Get(t, token, "/activity?"+c.query).Body
		_, list, _ := strings.Cut(body, `data-part="activity-list"`)
		if !strings.Contains(list, c.has) || strings.Contains(list, `id="event-`+c.not) || strings.Contains(list, `id="`+c.not) {
			t.Errorf("%q: want %s and not %s", c.query, c.has, c.not)
		}
		if c.n > 0 && !strings.Contains(list, fmt.Sprintf(">%d event", c.n)) && !strings.Contains(list, fmt.Sprintf(">%d attempt", c.n)) {
			t.Errorf("%q: want %d", c.query, c.n)
		}
		if strings.HasPrefix(c.query, "show=") {
			continue
		}
		file := rig.Get(t, token, "/activity/events.jsonl?"+c.query)
		if file.Header.Get("Content-Disposition") != "attachment" || file.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%q: %v", c.query, file.Header)
		}
		lines := strings.Split(strings.TrimSpace(file.Body), "\n")
		if c.n == 0 && file.Body == "" {
			continue
		}
		if len(lines) != c.n {
			t.Errorf("%q: %d lines, want %d", c.query, len(lines), c.n)
		}
		var first status.Event
		if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.Type == "" {
			t.Errorf("%q: %v", c.query, err)
		}
	}
}

// Events that say the same and follow each other are one row with a count; what
// stands between, another day and another outcome divide them. Days have names.
func TestRepeatsFold(t *testing.T) {
	d := consoletest.Sample()
	d.Events = nil
	add := func(n int, ago time.Duration, typ, outcome, tool string) {
		for range n {
			id := fmt.Sprint("e", len(d.Events))
			d.Events = append(d.Events, status.Event{ID: id, Time: consoletest.Now().Add(-ago), Type: typ, Outcome: outcome, User: "ana@example.com", Tool: tool, Session: "s-" + id})
		}
	}
	add(2, 80*time.Hour, status.ToolCalled, status.OK, "echo")
	add(1, 24*time.Hour, status.ToolCalled, status.OK, "echo")
	add(1, 5*time.Hour, status.ToolCalled, status.OK, "echo")
	add(30, 4*time.Hour, status.ToolCalled, status.OK, "echo")
	add(1, 3*time.Hour, status.ToolCalled, status.Failed, "echo")
	add(2, 12*time.Minute, status.ToolCalled, status.OK, "add")
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	_, list, _ := strings.Cut(rig.Get(t, token, "/activity").Body, `data-part="activity-list"`)
	if n := strings.Count(list, "<summary>"); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
	for _, want := range []string{">37 events<", ">Today<", ">Yesterday<", ">Friday, 20 November 2026<", ">31 ×<", ">2 ×<", "12 minutes ago", "11 more", `id="event-e3"`} {
		if !strings.Contains(list, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if ja := rig.Get(t, token, "/activity", "Accept-Language", "ja").Body; !strings.Contains(ja, ">2026年11月20日<") || !strings.Contains(ja, ">31 回<") {
		t.Error("the days are not told in Japanese")
	}
}

// Until there is a configuration every address is Setup, and nothing else is
// offered or done.
func TestUnconfigured(t *testing.T) {
	d := consoletest.Sample()
	d.Unconfigured = true
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	for _, path := range pagePaths {
		a := rig.Get(t, token, path)
		if a.Status != 200 || a.Header.Get("Content-Location") != "/setup" || strings.Contains(a.Body, `href="/sessions"`) || strings.Contains(a.Body, "ana@example.com") {
			t.Errorf("%s: %d at %s", path, a.Status, a.Header.Get("Content-Location"))
		}
	}
	if a := rig.Post(t, token, "/sessions/all", "sure", "yes"); a.Status != 404 || len(rig.Told()) > 0 {
		t.Errorf("a verb: %d", a.Status)
	}
}

// A card is green while the client has a session, grey once it had one; no other
// client's card is. The signs are the client's own words.
func TestConnectCards(t *testing.T) {
	for _, c := range []struct {
		client status.Client
		card   string
	}{
		{status.Client{Name: "Claude", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"}}, "claude"},
		{status.Client{Name: "x", RedirectURIs: []string{"https://claude.com/api/mcp/auth_callback"}}, "claude"},
		{status.Client{Name: "Claude Code (drawbridge)", RedirectURIs: []string{"http://localhost:4/callback"}}, "claudecode"},
		{status.Client{Name: "Codex"}, "codex"},
		{status.Client{Name: "ChatGPT"}, "chatgpt"},
		{status.Client{Name: "GitHub Copilot CLI"}, "copilot"},
		{status.Client{Name: "y", RedirectURIs: []string{"cursor://anysphere.cursor-mcp/oauth/callback"}}, "cursor"},
		{status.Client{Name: "Visual Studio Code"}, "vscode"},
		{status.Client{Name: "Gemini CLI MCP Client"}, "gemini"},
		{status.Client{Name: "OpenCode"}, "opencode"},
		{status.Client{Name: "LM Studio"}, "lmstudio"},
		{status.Client{Name: "MCP Inspector"}, "inspector"},
		{status.Client{Name: "mcp-remote"}, "other"},
		{status.Client{Name: "evil", RedirectURIs: []string{"https://evil.example/?https://claude.ai/"}}, ""},
	} {
		for state, sessions := range map[string]int{"seen": 2, "was": 0} {
			d := consoletest.Sample()
			c.client.Sessions = sessions
			d.Clients = []status.Client{c.client, {Name: c.client.Name, RedirectURIs: c.client.RedirectURIs}} // registered anew at each sign-in
			rig := consoletest.Start(t, d, consoletest.Now)
			body := rig.Get(t, rig.Token(t), "/").Body
			marked := strings.Count(body, `class="card seen"`) + strings.Count(body, `class="card was"`)
			if want := map[bool]int{true: 0, false: 1}[c.card == ""]; marked != want {
				t.Errorf("%q: %d cards are marked", c.client.Name, marked)
			}
			if c.card != "" && !strings.Contains(body, `id="card-`+c.card+`" class="card `+state+`"`) {
				t.Errorf("%q with %d sessions: the card %s is not %q", c.client.Name, sessions, c.card, state)
			}
		}
	}
}

// Each card has the command or the link that its client takes, for this MCP URL;
// none binds Drawbridge to the folder that it is pasted in. Of a URL that only
// this computer can reach, the cards of clients on the internet say so.
func TestConnectCommands(t *testing.T) {
	for _, at := range []struct {
		url     string
		unheard int // cards
	}{{"https://name.ngrok.app/mcp", 0}, {"http://127.0.0.1:8000/mcp", 2}, {"http://localhost:8000/mcp", 2}, {"http://[::1]:8000/mcp", 2}} {
		for lang, says := range map[string]string{"en": "calls from the internet", "ja": "インターネットから接続する"} {
			d := consoletest.Sample()
			d.Status.MCPURL = at.url
			rig := consoletest.Start(t, d, consoletest.Now)
			body := html.UnescapeString(rig.Get(t, rig.Token(t), "/", "Accept-Language", lang).Body)
			if n := strings.Count(body, says); n != at.unheard {
				t.Errorf("%s, %s: %d cards say that it can't be reached, want %d", at.url, lang, n, at.unheard)
			}
			for _, want := range []string{
				"claude mcp add --scope user --transport http drawbridge " + at.url, "claude mcp login drawbridge",
				"codex mcp add drawbridge --url " + at.url, "codex mcp login drawbridge",
				"copilot mcp add --transport http drawbridge " + at.url,
				"gemini mcp add --scope user --transport http drawbridge " + at.url, "/mcp auth drawbridge",
				"opencode mcp add drawbridge --url " + at.url, "opencode mcp auth drawbridge",
				"npx mcp-remote " + at.url, "cursor://anysphere.cursor-deeplink/mcp/install?", "vscode:mcp/install?", "lmstudio://add_mcp?",
			} {
				if !strings.Contains(body, want) {
					t.Errorf("%s, %s: %q is not on the page", at.url, lang, want)
				}
			}
		}
	}
}
