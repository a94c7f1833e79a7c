package security

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// It handles bodies of 20 MB at every place that takes one, 20 at once: refused
// early, with memory for none of them.
func TestSecLargeBodies(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	const size = 20 << 20
	form, auth := "application/x-www-form-urlencoded", "Authorization: Bearer "+tokens.Access+"\n"
	before := rig.HeapSize()
	for _, chunked := range []bool{false, true} {
		for _, place := range []struct {
			path, kind, headers string
			most                int // the highest status that is right
		}{
			{"/token", form, "", 413}, {"/revoke", form, "", 413}, {"/register", "application/json", "", 413}, {"/authorize", form, "", 413},
			{"/consent", form, "", 413}, {"/mcp", "application/json", auth, 413}, {"/mcp", "application/json", "", 401}, {"/mcp/", "application/json", auth, 413},
			{"/nothing", form, "", 404}, {"/health", form, "", 405},
		} {
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					rig.OrFail(t, func(t testing.TB) {
						status := sendLarge(t, app.URL, place.path, "Content-Type: "+place.kind+"\n"+place.headers, size, chunked)
						if status < 400 || status > place.most {
							t.Errorf("%s, chunked %t: answered %d", place.path, chunked, status)
						}
					})
				})
			}
			wg.Wait()
		}
	}
	if grown := int64(rig.HeapSize()) - int64(before); grown > 16<<20 {
		t.Errorf("the heap grew by %d KB", grown>>10)
	}
	app.MustWorkWith(t, tokens.Access)
}

// sendLarge posts size bytes and returns the status. Drawbridge may stop reading
// whenever it likes.
func sendLarge(t testing.TB, base, path, headers string, size int, chunked bool) int {
	w := rig.DialWire(t, base)
	defer w.Conn.Close()
	length := fmt.Sprintf("Content-Length: %d\n", size)
	if chunked {
		length = "Transfer-Encoding: chunked\n"
	}
	w.Send("POST " + path + " HTTP/1.1\nHost: HOST\nAccept: application/json, text/event-stream\n" + headers + length + "\n")
	go func() {
		if chunked {
			_, _ = fmt.Fprintf(w.Conn, "%x\r\n", size)
		}
		_, _ = io.Copy(w.Conn, io.LimitReader(zeros{}, int64(size)))
	}()
	r := w.Answer(20 * time.Second)
	if r == nil {
		t.Fatalf("%s: the connection ended without an answer", path)
	}
	return r.Status
}

// It handles connections that send a byte every three seconds, in headers and
// in bodies, on both listeners; others are served meanwhile.
func TestSecSlowRequests(t *testing.T) {
	t.Parallel()
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	control := rig.ReadControlFile(t, app)
	auth := "Authorization: Bearer " + tokens.Access + "\n"
	body := "Host: HOST\nContent-Type: application/json\nContent-Length: 1000\n"
	type slow struct {
		name, base, begin, drip string
		within                  time.Duration
	}
	attacks := []slow{
		{"headers", app.URL, "GET /health HTTP/1.1\nHost: HOST\nX: ", "x", 15 * time.Second},
		{"the first line", app.URL, "GET", "/", 15 * time.Second},
		{"a form", app.URL, "POST /token HTTP/1.1\n" + strings.Replace(body, "application/json", "application/x-www-form-urlencoded", 1) + "\n", "a", 36 * time.Second},
		{"a registration", app.URL, "POST /register HTTP/1.1\n" + body + "\n", " ", 36 * time.Second},
		{"a call", app.URL, "POST /mcp HTTP/1.1\n" + auth + body + "\n", " ", 36 * time.Second},
		{"a refused call", app.URL, "POST /mcp HTTP/1.1\n" + body + "\n", " ", 36 * time.Second},
		{"a body for nobody", app.URL, "POST /nothing HTTP/1.1\n" + body + "\n", " ", 36 * time.Second},
		{"the control side's headers", control.URL, "GET / HTTP/1.1\nHost: HOST\nX: ", "x", 15 * time.Second},
		{"the control side's body", control.URL, "POST /api/revoke HTTP/1.1\nAuthorization: Bearer " + control.Key + "\n" + body + "\n", " ", 20 * time.Second},
		{"nothing at all", app.URL, "", "", 15 * time.Second},
		{"nothing, to the control side", control.URL, "", "", 15 * time.Second},
	}
	var wg sync.WaitGroup
	for _, a := range attacks {
		wg.Go(func() {
			rig.OrFail(t, func(t testing.TB) {
				w := rig.DialWire(t, a.base)
				defer w.Conn.Close()
				w.Send(a.begin)
				tick := time.NewTicker(3 * time.Second)
				defer tick.Stop()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_, _ = io.Copy(io.Discard, w.Conn)
				}()
				for begun := time.Now(); ; {
					select {
					case <-ended:
						return
					case <-tick.C:
						if time.Since(begun) > rig.Within(a.within) {
							t.Errorf("%s: the connection is still open after %v", a.name, a.within)
							return
						}
						_, _ = io.WriteString(w.Conn, a.drip)
					}
				}
			})
		})
	}
	app.MustWorkWith(t, tokens.Access)
	wg.Wait()
	app.MustWorkWith(t, tokens.Access)
}

// It handles a client that asks and never reads, so that answers pile up: what
// serves it ends.
func TestSecSlowReader(t *testing.T) {
	t.Parallel()
	app := rig.StartApp(t, rig.AppOptions{})
	w := rig.DialWire(t, app.URL)
	burst := strings.Repeat("GET / HTTP/1.1\r\nHost: "+w.Conn.RemoteAddr().String()+"\r\n\r\n", 100)
	begun := time.Now()
	for rest, full := burst, false; !full || stuckAnswers() == 0; { // until a second passes without a byte
		if time.Since(begun) > time.Minute {
			t.Fatal("no answer is stuck: the test is too weak")
		}
		_ = w.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := io.WriteString(w.Conn, rest)
		full = n == 0
		if rest = rest[n:]; err == nil {
			rest = burst
		}
	}
	tick, late := time.NewTicker(time.Second), time.After(40*time.Second)
	defer tick.Stop()
	for stuckAnswers() > 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("an answer still waits for somebody to read it")
		}
	}
}

// stuckAnswers counts the server's goroutines that are writing at this moment.
func stuckAnswers() int {
	buf := make([]byte, 16<<20)
	n := 0
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "net/http.(*conn).serve") && strings.Contains(g, "internal/poll.(*FD).Write") {
			n++
		}
	}
	return n
}

// It handles thousands of idle connections, silent ones and ones kept alive.
func TestSecIdleConnections(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	control := rig.ReadControlFile(t, app)
	before := rig.HeapSize()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	open := func(base string, n int) {
		for range n {
			c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				rig.Missing(t, fmt.Sprintf("room for 6,000 open files (%v)", err))
			}
			conns = append(conns, c)
		}
	}
	open(app.URL, 2500)
	open(control.URL, 500)
	for i, c := range conns[:2500] {
		if i%2 == 0 {
			_, _ = io.WriteString(c, "GET /health HTTP/1.1\r\nHost: "+c.RemoteAddr().String()+"\r\n\r\n")
		}
	}
	begun := time.Now()
	app.MustWorkWith(t, tokens.Access)
	if r := control.Get(t, "/api/status"); r.Status != http.StatusOK {
		t.Errorf("the control side answers %d", r.Status)
	}
	if took := time.Since(begun); took > rig.Within(3*time.Second) {
		t.Errorf("a call took %v", took)
	}
	if each := (int64(rig.HeapSize()) - int64(before)) / 3000; each > 64<<10 {
		t.Errorf("an idle connection holds %d KB", each>>10)
	}
}
