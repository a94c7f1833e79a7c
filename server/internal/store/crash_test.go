package store

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// childEnv names what this test binary does instead of testing, when a test
// starts it again.
const childEnv = "DRAWBRIDGE_STORE_TEST_CHILD"

// children are what a child can do. A file for some systems only adds its own.
var children = map[string]func(path string){"save": saveForever}

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childEnv)]; child != nil {
		child(os.Args[len(os.Args)-1])
		return
	}
	os.Exit(m.Run())
}

func startChild(t *testing.T, what, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// check ends a child.
func check(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// saveForever saves from four goroutines. Each prints what it is about to save,
// "? goroutine key value event" ("-" deletes), and "!" once it is acknowledged.
func saveForever(path string) {
	db, err := Open(path)
	check(err)
	check(db.Unseal(testKey))
	j, err := OpenJournal(db, status.NewBoard(time.Now), slog.New(slog.DiscardHandler))
	check(err)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for {
				key := fmt.Sprintf("%d-%d", g, rand.IntN(200))
				value := strings.Repeat("v", rand.IntN(2000)) + fmt.Sprint(rand.Uint64())
				change := set("grants", key, value)
				if rand.IntN(5) == 0 {
					value, change.Value = "-", nil
				}
				session := fmt.Sprint(rand.Uint64())
				line := fmt.Sprintf("%d %s %s %s\n", g, key, value, session)
				io.WriteString(os.Stdout, "? "+line) // shorter than PIPE_BUF: whole or not at all
				check(j.Save([]oauth.Change{change}, status.Event{Type: status.TokenIssued, Session: session}))
				io.WriteString(os.Stdout, "! "+line)
				j.Record(status.Event{Type: status.ToolCalled})
			}
		})
	}
	wg.Wait()
}

// Killed at any moment, nothing acknowledged is lost: 8 times in one file (100
// with DRAWBRIDGE_LONG).
func TestKilledWhileSaving(t *testing.T) {
	path := newPath(t)
	known := make(map[string]string) // acknowledged, by key
	acknowledged, unanswered := 0, 0
	kills := 8
	if os.Getenv("DRAWBRIDGE_LONG") != "" {
		kills = 100
	}
	for round := range kills {
		cmd, lines := startChild(t, "save", path)
		begun := make(map[string]string) // saves without an answer, by key
		events := make(map[string]bool)  // acknowledged in this round
		left := 1 + rand.IntN(300)
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			if len(f) != 5 {
				t.Fatalf("the child says %q", lines.Text())
			}
			if key, value := f[2], f[3]; f[0] == "?" {
				begun[key] = value
			} else {
				delete(begun, key)
				known[key] = value
				events[f[4]] = true
				acknowledged++
			}
			if left--; left == 0 {
				cmd.Process.Kill() // what already stands in the pipe is read too
			}
		}
		cmd.Wait()
		unanswered += len(begun)

		db := openDB(t, path)
		got := mustLoad(t, db, "grants")
		for key, value := range known {
			now, ok := got[key]
			if !ok {
				now = "-"
			}
			if now != value && now != begun[key] {
				t.Errorf("round %d: %s was acknowledged as %.20q and is %.20q", round, key, value, now)
			}
			known[key] = now
		}
		j, board := openJournal(t, db)
		for _, ev := range board.Events() {
			delete(events, ev.Session)
		}
		if len(events) > 0 {
			t.Errorf("round %d: %d acknowledged events lost", round, len(events))
		}
		j.Close()
		db.Close()
	}
	t.Logf("%d kills: %d changes acknowledged, %d under way", kills, acknowledged, unanswered)
}
