package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Every page of the console stays within the screen, raises no error and pleases
// axe-core, by day and night, on a phone and a desk, in both languages. The
// pictures land in out/.
func TestConsolePages(t *testing.T) {
	shown := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	browser := rig.StartConsoleBrowser(t)
	for _, p := range []picture{
		{name: "overview", path: "/", en: "https://name.ngrok.app/mcp", ja: "概要"},
		{name: "sessions", path: "/sessions", en: "ana@example.com", ja: "身元確認済み"},
		{name: "activity", path: "/activity", en: "Client refused", ja: "サインインを拒否"},
		{name: "attempts", path: "/activity?show=attempts", en: "8 steps", ja: "Claude は接続されています"},
		{name: "servers", path: "/servers", en: "Held back", ja: "保留中"},
		{name: "server", path: "/servers?server=files", en: "Read the complete contents", ja: "リソーステンプレート"},
		{name: "server-own", path: "/servers?server=drawbridge", en: "Built-in tools", ja: "組み込みツール"},
		{name: "server-secret", path: "/servers?server=calendar", en: "CALENDAR_TOKEN", ja: "まだ届いていません"},
		{name: "tool", path: "/servers?server=files&tool=write_file", fill: map[string]string{"[name='arg.path']": "notes/today.md"}, press: "#try button", en: "call the bank", ja: "構造化コンテンツ"},
		{name: "server-add", path: "/servers?add=1", press: "#find button", en: "github", ja: "コマンドライン"},
		{name: "server-edit", path: "/servers?server=files&edit=1", en: "Arguments, one a line", ja: "環境変数"},
		{name: "access", path: "/access", fill: map[string]string{"#a-email": "bob@example.com"}, press: "#look button", en: "This person may use 4 things.", ja: "承認後"},
		{name: "settings", path: "/settings", en: "An access token works for", ja: "アクセストークンの有効期間"},
		{name: "settings-refused", path: "/settings", fill: map[string]string{"#tokens-access": "soon"}, press: "#form-tokens button", en: "Write a number with a unit", ja: "数字と単位で入力してください"},
		{name: "approvals", path: "/approvals", en: "call the bank", ja: "引数"},
		{name: "doctor", path: "/doctor", press: "#doctor-run button", en: "1 check found something wrong.", ja: "1 件の問題が見つかりました。"},
		{name: "panic", path: "/panic", en: "Yes, end everything", ja: "緊急停止"},
	} {
		p.take(t, browser, shown.Link)
	}
}

// Fifty events that differ fit on two and a half screens of a desk.
func TestConsoleActivityIsShort(t *testing.T) {
	d := consoletest.Sample()
	d.Events = nil
	for i := range 50 {
		d.Events = append(d.Events, status.Event{ID: fmt.Sprint("ev", i), Time: consoletest.Now().Add(time.Duration(i-50) * time.Hour), Type: status.SigninRefused, Outcome: status.Refused,
			User: fmt.Sprintf("person-%d@example.net", i), Client: "Claude", Remote: "198.51.100.77", Session: "s", Reason: "this address is not on the access list, and neither is its domain nor any of its groups"})
	}
	shown := consoletest.Start(t, d, consoletest.Now)
	browser := rig.StartConsoleBrowser(t)
	for width, most := range map[int]float64{1280: 2500, 390: 3600} {
		read := browser.Ask(t, map[string]any{"do": "steps", "link": shown.Link, "width": width, "steps": []step{
			{"key", "#nav-activity"}, {"wait", "50 events"}, {"eval", "document.documentElement.scrollHeight"}, {"eval", "document.body.innerText.includes('ev7')"},
			{"key", "#about-ev7 summary"}, {"wait", "ev7"}, {"eval", "document.querySelector('#about-ev7').innerText.includes('198.51.100.77')"}}}).Texts
		if len(read) != 3 {
			t.Fatalf("read %q", read)
		}
		if high, err := strconv.ParseFloat(read[0], 64); err != nil || high >= most || read[1] != "false" || read[2] != "true" {
			t.Errorf("at %d px: %s px high, want less than %v; the id is shown before a click: %s, the address after it: %s", width, read[0], most, read[1], read[2])
		} else {
			t.Logf("at %d px: %v px high", width, high)
		}
	}
}

// The same holds for what is shown when there is little, or much is wrong.
func TestConsolePagesOfTrouble(t *testing.T) {
	browser := rig.StartConsoleBrowser(t)
	empty := consoletest.Start(t, consoletest.Data{Status: status.Status{State: status.Starting, Tunnel: status.Tunnel{State: "connecting"}, IDP: status.IDP{State: status.IDPOK}}}, consoletest.Now)
	sample := consoletest.Sample()
	sample.Fail = errors.New("The disk is full: make room on it, then try again.")
	sample.Status.State, sample.Status.Error = status.Error, "the keychain is locked: unlock it, then choose Retry"
	sample.Status.Tunnel = status.Tunnel{State: "down", Error: "ngrok now gives https://other.ngrok.app, but clients know https://name.ngrok.app. Nothing was changed. To accept it, run `drawbridge tunnel accept`."}
	trouble := consoletest.Start(t, sample, consoletest.Now)
	for _, p := range []picture{
		{name: "empty-overview", path: "/", en: "There is no address yet", ja: "起動中"},
		{name: "empty-sessions", path: "/sessions", en: "Nobody is signed in.", ja: "サインインしている人はいません。"},
		{name: "empty-activity", path: "/activity", en: "Nothing matches.", ja: "該当するものはありません。"},
		{name: "empty-servers", path: "/servers", en: "No other server is mounted yet.", ja: "ほかのサーバーはまだ登録されていません。"},
		{name: "empty-access", path: "/access", en: "Add a rule", ja: "ルールを追加"},
		{name: "empty-approvals", path: "/approvals", en: "No call waits.", ja: "待っている呼び出しはありません。"},
		{name: "missing", path: "/nothing", en: "There is nothing here.", ja: "ここには何もありません。"},
	} {
		p.take(t, browser, empty.Link)
	}
	for _, p := range []picture{
		{name: "trouble-overview", path: "/", en: "Yes, accept it", ja: "動作できません"},
		{name: "trouble-sessions", path: "/sessions", press: "#revoke-s-bob-1 button", en: "The disk is full", ja: "The disk is full"},
	} {
		p.take(t, browser, trouble.Link)
	}
	full := consoletest.Sample()
	long := strings.Repeat("  \"line\",\n", 100) + "  \"the end\""
	full.Approvals = append(full.Approvals, status.Approval{ID: "a2", Server: "files", Tool: "write_file", User: "ana@example.com", Client: "Claude", Arguments: long, Time: consoletest.Now(), Expires: consoletest.Now().Add(time.Minute)})
	full.Gone = []status.Approval{{ID: "a0", Server: "files", Tool: "delete_file", User: "ana@example.com", Client: "Claude", Arguments: "{\n  \"path\": \"a  b\\u202e\"\n}", Time: consoletest.Now().Add(-time.Hour)}}
	full.Changes = append(full.Changes, status.ToolChange{Server: "notes", Kind: "prompt", Tool: "summarise", New: "description:\n" + long}, status.ToolChange{Server: "notes", Kind: "instructions", Old: "Ask first.", New: long, Long: true})
	full.Sessions[0].Leaves = []status.Leave{{Server: "files", Tool: "write_file", Until: consoletest.Now().Add(9 * time.Minute)}}
	much := consoletest.Start(t, full, consoletest.Now)
	for _, p := range []picture{
		{name: "much-approvals", path: "/approvals", en: "No longer waiting", ja: "待機終了"},
		{name: "much-approvals-open", path: "/approvals?open=a2", en: "the end", ja: "the end"},
		{name: "much-servers", path: "/servers", en: "it was not offered before", ja: "以前は提供されていませんでした"},
		{name: "much-sessions", path: "/sessions", en: "Does not ask about", ja: "再び確認する"},
	} {
		p.take(t, browser, much.Link)
	}
	well := consoletest.Sample()
	well.Status.IDP, well.Status.Notes, well.Status.Servers = status.IDP{State: status.IDPOK}, nil, well.Status.Servers[:1]
	well.Sessions[1].Leaving = consoletest.Now().Add(4 * time.Second)
	fine := consoletest.Start(t, well, consoletest.Now)
	picture{name: "well-overview", path: "/", en: "Ready. Everything works.", ja: "稼働中です。すべて正常です。"}.take(t, browser, fine.Link)
	picture{name: "well-sessions", path: "/sessions", en: "Revoked: 4 seconds left", ja: "取り消し: 残り 4 秒"}.take(t, browser, fine.Link)
	picture{name: "closed", path: "/sessions", en: "Open the console from Drawbridge’s tray menu", ja: "トレイメニューから"}.take(t, browser, trouble.URL)
}

// picture is one page to look at, and what it says.
type picture struct {
	name, path string
	fill       map[string]string // by selector
	press      string            // a selector
	en, ja     string
}

func (p picture) take(t *testing.T, browser *rig.Script, link string) {
	for lang, says := range map[string]string{"en-GB": p.en, "ja-JP": p.ja} {
		t.Run(p.name+"/"+lang, func(t *testing.T) {
			file, err := filepath.Abs("out/console-" + p.name + "-" + lang[:2])
			if err != nil {
				t.Fatal(err)
			}
			r := browser.Ask(t, map[string]any{"do": "pictures", "link": link, "path": p.path, "lang": lang, "file": file, "fill": p.fill, "press": p.press})
			if len(r.Texts) != 4 {
				t.Fatalf("%d views, want 4", len(r.Texts))
			}
			for _, text := range r.Texts {
				if !strings.HasPrefix(text, lang[:2]+" ") || !strings.Contains(text, says) {
					t.Errorf("the page does not say %q: %s", says, rig.Clip(text))
				}
			}
		})
	}
}

// The pages people see stay within the screen and raise no error in Chromium,
// by day and night, on a phone and a desk. The pictures land in out/.
func TestPages(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	chromium := rig.StartScript(t, nil, "clients/chromium.mjs", rig.NeedHeadless(t))
	document := rig.ServeMetadata(t, rig.ClientURI).Client()
	wrongRedirect := app.NewAuthRequest(client)
	wrongRedirect.Values.Set("redirect_uri", "https://evil.example/callback")
	for _, page := range []struct{ name, url, says string }{
		{"consent", app.NewAuthRequest(client).URL(app), "localhost"},
		{"consent-document", app.NewAuthRequest(document).URL(app), "metadata client"},
		{"error", wrongRedirect.URL(app), "redirect"},
		{"home", app.URL + "/", app.MCPURL},
	} {
		t.Run(page.name, func(t *testing.T) {
			file, err := filepath.Abs("out/" + page.name)
			if err != nil {
				t.Fatal(err)
			}
			r := chromium.Ask(t, map[string]string{"do": "pictures", "url": page.url, "file": file})
			if len(r.Texts) != 4 {
				t.Fatalf("%d views, want 4", len(r.Texts))
			}
			if !strings.Contains(strings.ToLower(r.Texts[0]), page.says) {
				t.Errorf("the page does not say %q: %s", page.says, rig.Clip(r.Texts[0]))
			}
		})
	}
}

// A person signs in in Chromium with the keyboard alone. Only a real browser
// tells whether cookies and form-action let the chain of redirects pass, from
// our page to the provider and on to the client.
func TestSignInWithKeyboard(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	waiting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<link rel=icon href="data:,"><p id=client-page>back at the client`)
	}))
	defer waiting.Close()
	client := app.Register(t, strings.Replace(waiting.URL, "127.0.0.1", "localhost", 1)+"/callback")
	req := app.NewAuthRequest(client)
	r := rig.StartScript(t, nil, "clients/chromium.mjs", rig.NeedChromium(t)).Ask(t, map[string]string{"do": "signIn", "url": req.URL(app), "user": "alice"})
	if t.Failed() {
		return
	}
	back := rig.NewBrowser(t).Parse(r.URL).Query()
	if back.Get("state") != req.Values.Get("state") {
		t.Error("another state came back")
	}
	tokens := app.MustTokens(t, app.Redeem(t, req, back.Get("code")))
	if got := app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Errorf("echo gave %q", got)
	}
}
