package console_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

type line struct{ Part, HTML, Title, End string }

// follow opens the stream of a page; the channel closes when it ends.
func follow(t *testing.T, rig *consoletest.Rig, token, path string) <-chan line {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", rig.URL+path, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("the stream answers %d", resp.StatusCode)
	}
	lines := make(chan line, 10_000)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		scan := bufio.NewScanner(resp.Body)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			var l line
			if json.Unmarshal(scan.Bytes(), &l) == nil {
				lines <- l
			}
		}
	}()
	return lines
}

// until reads lines up to one that ok takes, or fails after ten seconds.
func until(t *testing.T, lines <-chan line, ok func(line) bool) line {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case l, open := <-lines:
			if !open {
				t.Fatal("the stream ended")
			}
			if ok(l) {
				return l
			}
		case <-deadline:
			t.Fatal("the line did not come")
		}
	}
}

// Every part of a stream has its place in the page.
func TestPartsHavePlaces(t *testing.T) {
	rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	token := rig.Token(t)
	for _, path := range append(pagePaths, "/activity?show=attempts") {
		page := rig.Get(t, token, path).Body
		places := strings.Count(page, "data-part=")
		lines := follow(t, rig, token, path)
		for range places {
			l := until(t, lines, func(line) bool { return true })
			if !strings.Contains(page, `data-part="`+l.Part+`"`) || !strings.Contains(page, l.HTML) {
				t.Errorf("%s: the part %q is not the page's", path, l.Part)
			}
		}
	}
}

func TestLive(t *testing.T) {
	rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	token := rig.Token(t)
	lines := follow(t, rig, token, "/sessions")
	until(t, lines, func(l line) bool { return l.Part == "sessions-list" && strings.Contains(l.HTML, "s-kei-1") })

	rig.Change(func(d *consoletest.Data) { d.Sessions = d.Sessions[:1] })
	l := until(t, lines, func(l line) bool { return l.Part == "sessions-list" })
	if strings.Contains(l.HTML, "s-kei-1") || !strings.Contains(l.HTML, "s-ana-1") {
		t.Error("the list is not the new one")
	}
	rig.Change(func(d *consoletest.Data) {
		d.Approvals = append(d.Approvals, status.Approval{ID: "a2", Tool: "echo", Expires: consoletest.Now()})
	})
	l = until(t, lines, func(l line) bool { return l.Part == "nav" })
	if !strings.Contains(l.HTML, "2 calls need your approval") || !strings.HasPrefix(l.Title, "(2) ") {
		t.Errorf("the badge says %q, %q", l.Title, l.HTML)
	}

	// A flood of changes comes as few lines.
	start, n := time.Now(), 0
	for i := range 2000 {
		rig.Change(func(d *consoletest.Data) { d.Sessions[0].Requests = int64(i + 1000) })
		time.Sleep(200 * time.Microsecond)
	}
	until(t, lines, func(l line) bool { n++; return strings.Contains(l.HTML, "2999") })
	if most := int(time.Since(start)/(250*time.Millisecond)) + 2; n > most {
		t.Errorf("%d lines in %v, want at most %d", n, time.Since(start), most)
	}

	// Panic ends the streams of other tabs.
	rig.Post(t, rig.Token(t), "/panic/now", "sure", "yes")
	deadline := time.After(10 * time.Second)
	for {
		select {
		case _, open := <-lines:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the stream outlives its token")
		}
	}
}
