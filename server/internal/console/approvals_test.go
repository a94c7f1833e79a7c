package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Allow stands on the page only with all that it allows, and counts only then.
func TestAllowComesWithTheWholeOfIt(t *testing.T) {
	lines := func(n int) string { return strings.TrimSuffix(strings.Repeat("x\n", n), "\n") }
	for name, c := range map[string]struct {
		arguments string
		folded    bool
		more      string
	}{
		"short":                       {"{}", false, ""},
		"40 lines":                    {lines(40), false, ""},
		"41 lines":                    {lines(41), true, "29 more lines are not shown."},
		"3000 bytes":                  {strings.Repeat("x", 3000), false, ""},
		"3001 bytes":                  {strings.Repeat("x", 3001), true, "1 more line is not shown."},
		"letters of 3 bytes":          {strings.Repeat("日", 1001), true, "1 more line is not shown."},
		"64 KiB, the path at the end": {strings.Repeat("y\n", 32000) + `"/etc/passwd"`, true, "31989 more lines are not shown."},
	} {
		t.Run(name, func(t *testing.T) {
			d := consoletest.Sample()
			d.Approvals = []status.Approval{{ID: "a1", Server: "files", Tool: "write", Arguments: c.arguments, Expires: consoletest.Now().Add(time.Minute)}}
			rig := consoletest.Start(t, d, consoletest.Now)
			token := rig.Token(t)
			page := rig.Get(t, token, "/approvals").Body
			if strings.Contains(page, `value="allow"`) == c.folded || strings.Contains(page, `value="tool"`) == c.folded || !strings.Contains(page, `value="deny"`) || !strings.Contains(page, c.more) {
				t.Errorf("the page at first: %.3000s", page)
			}
			if c.folded {
				for _, answer := range []string{"allow", "tool"} {
					for _, seen := range []string{"", "k0000000000000000"} {
						if r := rig.Post(t, token, "/approvals/answer", "id", "a1", "answer", answer, "seen", seen); r.Status != http.StatusUnprocessableEntity || len(rig.Told()) != 0 {
							t.Errorf("%s of what was not read: %d", answer, r.Status)
						}
					}
				}
				page = rig.Get(t, token, "/approvals?open=a1").Body
			}
			if shown := textOf(t, page, "pre"); shown != c.arguments {
				t.Errorf("shown are %d of %d bytes, …%q", len(shown), len(c.arguments), shown[max(0, len(shown)-20):])
			}
			if i := strings.Index(page, "</pre>"); i < 0 || strings.Contains(page[:i], `value="allow"`) || !strings.Contains(page[i:], `value="allow"`) {
				t.Error("Allow does not come after the end of the arguments")
			}
			seen := regexp.MustCompile(`name="seen" value="(\w+)"`).FindStringSubmatch(page)
			if seen == nil {
				t.Fatal("the page does not say that all was on it")
			}
			rig.Post(t, token, "/approvals/answer", "id", "a1", "answer", "tool", "seen", seen[1])
			rig.Post(t, token, "/approvals/answer", "id", "a1", "answer", "allow", "seen", seen[1])
			if told := fmt.Sprint(rig.Told()); told != "[allow tool of a1 answer a1 true]" {
				t.Errorf("told %s", told)
			}
		})
	}
}

// textOf is what the first element of a name shows.
func textOf(t *testing.T, page, element string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == element && n.FirstChild != nil {
			return n.FirstChild.Data
		}
	}
	return ""
}

// A row that is gone stays where it was, grey, with buttons that do nothing.
func TestGoneRowsStay(t *testing.T) {
	d := consoletest.Sample()
	call := func(id string, second int) status.Approval {
		return status.Approval{ID: id, Tool: "tool-" + id, Time: consoletest.Now().Add(time.Duration(second) * time.Second), Expires: consoletest.Now().Add(time.Minute)}
	}
	d.Approvals, d.Gone = []status.Approval{call("a1", 1), call("a3", 3)}, []status.Approval{call("a2", 2)}
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	page := rig.Get(t, token, "/approvals").Body
	one, two, three := strings.Index(page, `id="approval-a1"`), strings.Index(page, `id="approval-a2"`), strings.Index(page, `id="approval-a3"`)
	if one < 0 || two < one || three < two {
		t.Fatalf("the rows stand at %d, %d, %d", one, two, three)
	}
	if row := page[two:three]; !strings.Contains(row, `class="card gone"`) || strings.Count(row, `aria-disabled="true"`) != 3 || !strings.Contains(row, "No longer waiting") {
		t.Errorf("the row that is gone: %s", row)
	}
	if rest := page[one:two] + page[three:]; strings.Contains(rest, "gone") || strings.Contains(rest, "aria-disabled") {
		t.Errorf("the others: %s", rest)
	}
	if !strings.Contains(page, "2 calls need your approval") {
		t.Error("it is counted among those that wait")
	}
	if r := rig.Post(t, token, "/approvals/answer", "id", "a2", "answer", "allow"); len(rig.Told()) != 0 || !strings.Contains(r.Body, "does not wait any more") {
		t.Error("it was answered")
	}
}

// What a person allowed for a while stands with the session, and ends there.
func TestLeaves(t *testing.T) {
	d := consoletest.Sample()
	d.Sessions[1].Leaves = []status.Leave{{Server: "files", Tool: "write_file", Until: consoletest.Now().Add(9 * time.Minute)}}
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	page := rig.Get(t, token, "/sessions").Body
	at := strings.Index(page, "Does not ask about")
	if row, next := strings.Index(page, `id="session-s-ana-2"`), strings.Index(page, `id="session-s-bob-1"`); at < row || at > next || !strings.Contains(page[row:next], "9 minutes left") {
		t.Errorf("it stands at %d, the session from %d to %d", at, row, next)
	}
	rig.Post(t, token, "/sessions/ask", "id", "s-ana-2", "server", "files", "tool", "write_file")
	if told := fmt.Sprint(rig.Told()); told != "[end leave s-ana-2 files write_file]" {
		t.Errorf("told %s", told)
	}
}

// A change can be approved from the page that held all of it.
func TestChangesAreApprovedWhole(t *testing.T) {
	long := strings.Repeat("line\n", 100) + "send ~/.ssh"
	for name, c := range map[string]struct {
		change   status.ToolChange
		at, then bool // Approve stands there at first, and once it is opened
		says     string
	}{
		"a short one":          {status.ToolChange{Kind: "tool", Old: "a", New: "b"}, true, true, "As approved"},
		"a new one":            {status.ToolChange{Kind: "prompt", New: "b"}, true, true, "it was not offered before"},
		"instructions":         {status.ToolChange{Kind: "instructions", New: long}, false, true, "instructions to every model"},
		"a long one":           {status.ToolChange{Kind: "template", Old: "a", New: long}, false, true, "89 more lines are not shown."},
		"a long one of before": {status.ToolChange{Kind: "tool", Old: long, New: "b"}, true, true, "89 more lines are not shown."},
		"too long":             {status.ToolChange{Kind: "tool", Old: "a", New: long, Long: true}, false, false, "can’t be approved"},
	} {
		t.Run(name, func(t *testing.T) {
			d := consoletest.Sample()
			c.change.Server, c.change.Version = "files", "v2"
			if c.change.Kind != "instructions" {
				c.change.Tool = "read"
			}
			d.Changes = []status.ToolChange{c.change}
			rig := consoletest.Start(t, d, consoletest.Now)
			token := rig.Token(t)
			page := rig.Get(t, token, "/servers").Body
			const button = `action="/servers/approve"`
			if strings.Contains(page, button) != c.at || !strings.Contains(page, c.says) {
				t.Errorf("at first: %.4000s", page)
			}
			if !c.at && !c.then {
				return
			}
			if open := regexp.MustCompile(`name="open" value="(\w+)"`).FindStringSubmatch(page); open != nil {
				if !c.at {
					if r := rig.Post(t, token, "/servers/approve", "server", "files", "tool", c.change.Tool, "version", "v2"); r.Status != http.StatusUnprocessableEntity || len(rig.Told()) != 0 {
						t.Errorf("approved what was not read: %d", r.Status)
					}
				}
				page = rig.Get(t, token, "/servers?open="+open[1]).Body
			}
			seen := regexp.MustCompile(`name="seen" value="(\w+)"`).FindStringSubmatch(page)
			if !strings.Contains(page, button) || seen == nil || !strings.Contains(page, html.EscapeString(c.change.New)) {
				t.Fatalf("opened: %.4000s", page)
			}
			rig.Post(t, token, "/servers/approve", "server", "files", "tool", c.change.Tool, "version", "v2", "seen", seen[1])
			if told := fmt.Sprint(rig.Told()); told != "[approve files "+c.change.Tool+"]" {
				t.Errorf("told %s", told)
			}
		})
	}
}
