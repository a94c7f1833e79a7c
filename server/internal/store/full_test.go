//go:build unix

package store

import (
	"bytes"
	"fmt"
	"maps"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

func init() { children["full"] = fillTheDisk }

// The disk is full: a sentence, nothing changed, and it works again once there
// is room. The disk is a limit on the size of files (RLIMIT_FSIZE) in a process
// of its own, which needs no rights and works in any container.
func TestFullDisk(t *testing.T) {
	cmd, lines := startChild(t, "full", newPath(t))
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Wait(); err != nil || len(said) == 0 || said[len(said)-1] != "done" {
		t.Errorf("%v\n%s", err, strings.Join(said, "\n"))
	}
}

// fillTheDisk is the child of TestFullDisk.
func fillTheDisk(path string) {
	signal.Ignore(syscall.SIGXFSZ) // writes then fail with EFBIG
	var limit syscall.Rlimit
	check(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	room := func(bytes uint64) {
		check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: limit.Max}))
	}
	db, err := Open(path)
	check(err)
	check(db.Unseal(testKey))
	value := bytes.Repeat([]byte("v"), 600)
	want := make(map[string]string)
	write := func(key string) error {
		err := db.Save([]oauth.Change{{Bucket: "grants", Key: key, Value: value}})
		if err == nil {
			want[key] = string(value)
		}
		return err
	}
	same := func(db *DB) {
		if got, err := load(db, "grants"); err != nil || !maps.Equal(got, want) {
			check(fmt.Errorf("%d records, want %d: %v", len(got), len(want), err))
		}
	}

	for round := range uint64(4) {
		room((round + 1) * 200_000)
		for i := 0; ; i++ {
			err := write(fmt.Sprint(round, "-", i))
			if err == nil && i < 5000 {
				continue
			}
			if err == nil || !strings.Contains(err.Error(), "the disk is full, nothing was saved. Make room") {
				check(fmt.Errorf("on the full disk: %v", err))
			}
			fmt.Println(strings.ReplaceAll(err.Error(), filepath.Dir(path), "DIR"))
			break
		}
		for range 5 {
			if err := db.Save([]oauth.Change{set("grants", "big", strings.Repeat("b", 300_000))}); err == nil {
				check(fmt.Errorf("a big record fits on a full disk"))
			}
		}
		same(db)
	}
	room(limit.Cur)
	check(write("after"))
	same(db)
	check(db.Close())
	db, err = Open(path)
	check(err)
	check(db.Unseal(testKey))
	same(db)
	fmt.Println("done")
}
