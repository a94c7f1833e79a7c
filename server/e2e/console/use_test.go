package console

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

type step []string

// use has the browser take steps without a mouse and returns what it read.
func use(t *testing.T, browser *rig.Script, link, lang string, steps ...step) []string {
	t.Helper()
	return browser.Ask(t, map[string]any{"do": "steps", "link": link, "lang": lang, "steps": steps}).Texts
}

// The console is used with the keyboard alone: the skip link, the navigation,
// a form in two steps, a filter, a file, the clipboard, and back.
func TestConsoleByKeyboard(t *testing.T) {
	shown := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	read := use(t, rig.StartConsoleBrowser(t), shown.Console.Link(), "en-GB",
		step{"eval", "location.href + ' ' + document.cookie + ' ' + localStorage.length"},
		step{"key", "[data-copy=mcp-url]"}, step{"clipboard"},
		step{"key", "#nav-sessions"}, step{"wait", "4 sessions"},
		step{"eval", "document.activeElement.id + ' ' + document.title + ' ' + location.pathname"},
		step{"key", "#revoke-s-bob-1 button"}, step{"wait", "Revoked: 5 seconds left"}, step{"eval", "document.activeElement.textContent"},
		step{"key", "#keep-s-bob-1 button"}, step{"wait", "The session goes on."}, step{"gone", "Revoked"},
		step{"key", "#more-s-ana-2 summary"}, step{"type", "#label-s-ana-2", "office"}, step{"key", "#rename-s-ana-2 button"}, step{"wait", "office · ana@example.com"},
		step{"key", "#revoke-all summary"}, step{"key", "#revoke-all form button"}, step{"wait", "Nobody is signed in."},
		step{"key", "#nav-activity"}, step{"wait", "9 events"},
		step{"type", "#f-user", "eve"}, step{"key", "form.filter button"}, step{"wait", "1 event"}, step{"eval", "location.search"},
		step{"download", "a[download]"},
		step{"back"}, step{"wait", "9 events"}, step{"back"}, step{"wait", "Nobody is signed in."},
		step{"key", "#nav-approvals"}, step{"key", "button[value=allow]"}, step{"wait", "No call waits."},
		step{"key", "#nav-doctor"}, step{"key", "#doctor-run button"}, step{"wait", "1 check found something wrong."},
		step{"key", "[data-copy=report]"}, step{"clipboard"},
		step{"key", "#nav-panic"}, step{"key", "#panic summary"}, step{"key", "#panic form button"}, step{"wait", "sessions were revoked"},
		step{"key", "#nav-overview"}, step{"wait", "Paused"},
		step{"key", "#resume button"}, step{"wait", "Resumed."}, step{"key", ".skip"}, step{"eval", "document.activeElement.id"},
	)
	if t.Failed() {
		return
	}
	want := []string{shown.URL + "/  0", "https://name.ngrok.app/mcp", "main (1) Sessions · Drawbridge /sessions", "The session is held now and ends in 5 seconds. Until then you can undo it.", "user=eve", `"user":"eve@example.net"`,
		"Drawbridge 1.0.0", "main"}
	if len(read) != len(want) {
		t.Fatalf("read %q", read)
	}
	for i := range want {
		if !strings.Contains(read[i], want[i]) {
			t.Errorf("read %q, want %q", read[i], want[i])
		}
	}
	told := strings.Join(shown.Told(), "; ")
	if told != "revoke soon s-bob-1; keep s-bob-1; rename s-ana-2 office; revoke all; answer a1 true; doctor; panic; resume" {
		t.Errorf("the app was told: %s", told)
	}
	if strings.Contains(read[6], "example.com") || strings.Contains(read[6], "okta") {
		t.Errorf("the report is not redacted: %s", read[6])
	}
}

// What happens elsewhere shows at once, on any page, and takes neither focus
// nor what is open or half typed.
func TestConsoleLive(t *testing.T) {
	shown := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	browser := rig.StartConsoleBrowser(t)
	browser.Ask(t, map[string]any{"do": "steps", "keep": true, "link": shown.Link, "steps": []step{
		{"key", "#nav-servers"}, {"key", "#open-files"}, {"wait", "files server listening"}, {"key", "#secrets summary"}, {"type", "#secrets input", "half typed"},
	}})
	shown.Change(func(d *consoletest.Data) {
		d.Approvals = append(d.Approvals, status.Approval{ID: "a2", Tool: "echo", Expires: consoletest.Now()}, status.Approval{ID: "a3", Tool: "echo", Expires: consoletest.Now()})
		d.Logs = map[string][]status.LogLine{"files": {{Time: consoletest.Now(), Text: "a new line in the log"}}}
	})
	r := browser.Ask(t, map[string]any{"do": "steps", "steps": []step{
		{"wait", "(3)"}, {"wait", "a new line in the log"}, {"gone", "files server listening"},
		{"eval", "document.activeElement.name + ' ' + document.activeElement.value + ' ' + document.querySelector('#secrets').open"},
		{"eval", "document.querySelector('#say').textContent"},
	}})
	if len(r.Texts) != 2 || r.Texts[0] != "value half typed true" || !strings.Contains(r.Texts[1], "3 calls need your approval") {
		t.Errorf("after the change: %q", r.Texts)
	}
}

// A row that goes takes the next one's buttons to where its own were. A click
// that was meant for it does nothing; one a moment later, or by a key, counts.
func TestConsoleTakesNoClickOnWhatMoved(t *testing.T) {
	d := consoletest.Sample()
	call := func(id string, second int) status.Approval {
		return status.Approval{ID: id, Server: "files", Tool: "write", Arguments: "{}", Time: consoletest.Now().Add(time.Duration(second) * time.Second), Expires: consoletest.Now().Add(time.Minute)}
	}
	d.Approvals = []status.Approval{call("a1", 1), call("a2", 2)}
	shown := consoletest.Start(t, d, consoletest.Now)
	browser := rig.StartConsoleBrowser(t)
	// clickWhere(x, y) clicks what is there, as a mouse does.
	browser.Ask(t, map[string]any{"do": "steps", "keep": true, "link": shown.Link, "steps": []step{
		{"key", "#nav-approvals"}, {"wait", "files: write"},
		{"eval", `(() => {
			const at = document.querySelector('#answer-a1 [value=allow]').getBoundingClientRect();
			window.click = () => document.elementFromPoint(at.x + 5, at.y + 5)?.closest('button')?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, detail: 1 }));
			window.early = new Promise((done) => new MutationObserver(() => {
				if (document.querySelector('#approval-a1')) return;
				const under = document.elementFromPoint(at.x + 5, at.y + 5)?.closest('form')?.getAttribute('id');
				click();
				done(under);
			}).observe(document.querySelector('#main'), { subtree: true, childList: true }));
		})()`},
	}})
	shown.Change(func(d *consoletest.Data) { d.Approvals, d.Gone = d.Approvals[1:], d.Approvals[:1] })
	r := browser.Ask(t, map[string]any{"do": "steps", "keep": true, "steps": []step{
		{"wait", "No longer waiting"},
		{"eval", "click() + ' ' + document.querySelector('#approval-a1').className"}, // its buttons do nothing any more
	}})
	if len(r.Texts) != 1 || !strings.HasSuffix(r.Texts[0], "gone") || len(shown.Told()) != 0 {
		t.Fatalf("the row that is gone: %q", r.Texts)
	}
	shown.Change(func(d *consoletest.Data) { d.Gone = nil })
	r = browser.Ask(t, map[string]any{"do": "steps", "keep": true, "steps": []step{
		{"eval", "early"}, {"eval", "document.querySelector('#say').textContent"},
	}})
	if want := []string{"answer-a2", "The list has just changed. Please look again before you click."}; !slices.Equal(r.Texts, want) || len(shown.Told()) != 0 {
		t.Fatalf("under the pointer and said: %q, want %q", r.Texts, want)
	}
	browser.Ask(t, map[string]any{"do": "steps", "steps": []step{
		{"eval", `(async () => { while (document.querySelector('#approval-a2')) { click(); await new Promise(requestAnimationFrame); } })()`}, {"wait", "No call waits."},
	}})
	if told := strings.Join(shown.Told(), "; "); told != "answer a2 true" {
		t.Errorf("told %q", told)
	}
}

// What is too long to be seen at once is opened with a key, and then allowed.
func TestConsoleOpensWhatIsLong(t *testing.T) {
	d := consoletest.Sample()
	d.Approvals[0].Arguments = strings.Repeat("{\n", 60) + `"path": "/etc/passwd"` + strings.Repeat("\n}", 60)
	shown := consoletest.Start(t, d, consoletest.Now)
	id := d.Approvals[0].ID
	read := use(t, rig.StartConsoleBrowser(t), shown.Link, "en-GB",
		step{"key", "#nav-approvals"}, step{"wait", "more lines are not shown"}, step{"eval", "document.querySelectorAll('[value=allow]').length + ' ' + document.body.innerText.includes('/etc/passwd')"},
		step{"key", "#open-" + id + " button"}, step{"wait", "/etc/passwd"},
		step{"eval", "(() => { const pre = document.querySelector('pre'); return pre.scrollHeight <= pre.clientHeight + 1 && pre.scrollWidth <= pre.clientWidth + 1; })()"},
		step{"key", "#answer-" + id + " [value=tool]"}, step{"wait", "for 10 minutes"})
	if want := []string{"0 false", "true"}; !slices.Equal(read, want) {
		t.Errorf("read %q, want %q", read, want)
	}
	if told := strings.Join(shown.Told(), "; "); told != "allow tool of "+id {
		t.Errorf("told %q", told)
	}
}

// Without a token every page says what to do, in the person's language; a new
// tab needs none of its own; a token that ends locks the page.
func TestConsoleDoor(t *testing.T) {
	shown := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	browser := rig.StartConsoleBrowser(t)
	for _, c := range []struct{ name, link, lang, says string }{
		{"no key", shown.URL + "/sessions", "en-GB", "Open the console from Drawbridge’s tray menu, or run drawbridge console."},
		{"no key, in Japanese", shown.URL + "/", "ja-JP", "Drawbridge のトレイメニューからコンソールを開くか"},
		{"a key of an earlier run", shown.URL + "/#key=" + strings.Repeat("A", 43), "en-GB", "earlier run of Drawbridge"},
		{"a link that was used", usedLink(t, shown), "ja-JP", "すでに開かれていました"},
		{"an address that is none", strings.Replace(shown.Link, "/#", "/nothing#", 1), "en-GB", "There is nothing here."},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := use(t, browser, c.link, c.lang, step{"wait", c.says}, step{"eval", "location.hash"}, step{"read", "body"})
			if len(read) == 2 && (read[0] != "" || strings.Contains(read[1], "example.com")) {
				t.Errorf("at %q: %s", read[0], read[1])
			}
		})
	}
	read := use(t, browser, shown.Link, "en-GB",
		step{"wait", "name.ngrok.app"}, step{"tab", shown.URL + "/sessions"}, step{"wait", "ana@example.com"}, step{"reload"}, step{"wait", "ana@example.com"},
		step{"eval", "history.length + ' ' + location.hash"},
		step{"key", "#nav-panic"}, step{"key", "#panic summary"}, step{"key", "#panic form button"}, step{"wait", "sessions were revoked"}, step{"reload"}, step{"wait", "Panic"},
		step{"close"}, step{"wait", "This page is locked"}, step{"read", "body"})
	if len(read) != 2 || strings.Contains(read[1], "ngrok") {
		t.Errorf("after panic elsewhere: %q", read)
	}
}

func usedLink(t *testing.T, shown *consoletest.Rig) string {
	link := shown.Console.Link()
	if a := shown.Enter(t, link); a.Status != 200 {
		t.Fatalf("the link answers %d", a.Status)
	}
	return link
}
