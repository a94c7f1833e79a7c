package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

var (
	testKey  = bytes.Repeat([]byte{7}, 32)
	otherKey = bytes.Repeat([]byte{8}, 32)
)

// openDB opens the file at path with testKey until the test ends.
func openDB(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Unseal(testKey); err != nil {
		t.Fatal(err)
	}
	return db
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "data", "state.db") }

func set(bucket, key, value string) oauth.Change {
	return oauth.Change{Bucket: bucket, Key: key, Value: []byte(value)}
}

func save(t testing.TB, db *DB, changes ...oauth.Change) {
	t.Helper()
	if err := db.Save(changes); err != nil {
		t.Fatal(err)
	}
}

func load(db *DB, bucket string) (map[string]string, error) {
	records := make(map[string]string)
	err := db.Load(bucket, func(k string, v []byte) error {
		records[k] = string(v)
		return nil
	})
	return records, err
}

func mustLoad(t testing.TB, db *DB, bucket string) map[string]string {
	t.Helper()
	records, err := load(db, bucket)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestRecordsLast(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	save(t, db, set("grants", "a", "1"), set("grants", "b", "2"), set("clients", "a", ""))
	save(t, db, set("grants", "a", "3"), oauth.Change{Bucket: "grants", Key: "b"}, oauth.Change{Bucket: "none", Key: "x"})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error("a second Close:", err)
	}
	if err := db.Save([]oauth.Change{set("grants", "c", "4")}); !errors.Is(err, ErrClosed) {
		t.Error("Save after Close:", err)
	}
	db = openDB(t, path)
	if got := mustLoad(t, db, "grants"); !maps.Equal(got, map[string]string{"a": "3"}) {
		t.Errorf("grants: %v", got)
	}
	if got := mustLoad(t, db, "clients"); !maps.Equal(got, map[string]string{"a": ""}) {
		t.Errorf("clients: %v", got)
	}
	if runtime.GOOS != "windows" { // which has no such bits
		for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("mode of %s: %v, %v", name, info.Mode(), err)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".new*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is loaded is what was there at the beginning, whatever is saved meanwhile.
func TestLoadManyAndSaveMeanwhile(t *testing.T) {
	db := openDB(t, newPath(t))
	const many = 3000
	var changes, others []oauth.Change
	for i := range many {
		changes = append(changes, set("grants", fmt.Sprintf("%05d", i), "v"))
		others = append(others, set("grants", fmt.Sprintf("%05d", i), "w"))
	}
	save(t, db, changes...)
	n := 0
	err := db.Load("grants", func(_ string, v []byte) error {
		if n++; n == 1 {
			save(t, db, others[:10]...)
			save(t, db, others[10:20]...) // would take the pages that the first has freed
		}
		if string(v) != "v" {
			return fmt.Errorf("record %d is %q", n, v)
		}
		return nil
	})
	if err != nil || n != many {
		t.Errorf("%d records, %v", n, err)
	}
	if got := mustLoad(t, db, "grants"); got["00000"] != "w" || len(got) != many {
		t.Errorf("%d records, the first %q", len(got), got["00000"])
	}
}

func TestKeys(t *testing.T) {
	path := newPath(t)
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Save([]oauth.Change{set("grants", "a", "1")}); !errors.Is(err, ErrSealed) {
		t.Error("Save before Unseal:", err)
	}
	if empty, err := db.Empty(); !empty || err != nil {
		t.Errorf("a new file: empty %v, %v", empty, err)
	}
	if err := db.Unseal(testKey[:31]); err == nil {
		t.Error("a key of 31 bytes is accepted")
	}
	if err := db.Unseal(testKey); err != nil {
		t.Fatal(err)
	}
	save(t, db, set("grants", "a", "1"))
	if empty, err := db.Empty(); empty || err != nil {
		t.Errorf("with a record: empty %v, %v", empty, err)
	}
	db.Close()
	db, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Unseal(otherKey); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), path) {
		t.Error("another key:", err)
	}
	if err := db.Unseal(testKey); err != nil {
		t.Fatal("the right key after a wrong one:", err)
	}
	if got := mustLoad(t, db, "grants"); got["a"] != "1" {
		t.Errorf("grants: %v", got)
	}
}

func TestRefusesImpossibleRecords(t *testing.T) {
	db := openDB(t, newPath(t))
	for _, c := range []oauth.Change{
		set("", "k", "v"), set("b", "", "v"), set("meta", "check", "v"), set("a\x00b", "k", "v"),
		set("b", strings.Repeat("k", bbolt.MaxKeySize+1), "v"),
	} {
		if err := db.Save([]oauth.Change{set("grants", "x", "v"), c}); err == nil {
			t.Errorf("bucket %q, key of %d bytes: saved", c.Bucket, len(c.Key))
		}
	}
	if got := mustLoad(t, db, "grants"); len(got) != 0 {
		t.Errorf("saved by half: %v", got)
	}
}

func TestOneInstance(t *testing.T) {
	path := newPath(t)
	openDB(t, path)
	if _, err := Open(path); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

// Instances that start at once on an empty folder share one file.
func TestRaceForANewFile(t *testing.T) {
	path := newPath(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := Open(path)
			if err != nil {
				if !errors.Is(err, ErrInUse) {
					t.Error(err)
				}
				return
			}
			defer db.Close()
			if err := db.Unseal(testKey); err != nil {
				t.Error(err)
				return
			}
			if err := db.Save([]oauth.Change{set("grants", fmt.Sprint(rand.Uint64()), "v")}); err != nil {
				t.Error(err)
			}
			if got, err := load(db, "grants"); err != nil || len(got) == 0 {
				t.Error("lost:", err)
			}
		})
	}
	wg.Wait()
}

func TestConcurrentSaves(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				if err := db.Save([]oauth.Change{set("grants", fmt.Sprint(g), fmt.Sprint(i)), set("clients", fmt.Sprint(g, "-", i), "v")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	db.Close()
	db = openDB(t, path)
	grants := mustLoad(t, db, "grants")
	for g := range 8 {
		if grants[fmt.Sprint(g)] != "49" {
			t.Errorf("goroutine %d: last write is %q", g, grants[fmt.Sprint(g)])
		}
	}
	if n := len(mustLoad(t, db, "clients")); n != 400 {
		t.Errorf("%d records, want 400", n)
	}
}

func BenchmarkSave(b *testing.B) {
	value := bytes.Repeat([]byte("v"), 600)
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db := openDB(b, newPath(b))
			b.SetParallelism(callers / runtime.GOMAXPROCS(0))
			if callers == 1 {
				for i := 0; b.Loop(); i++ {
					save(b, db, oauth.Change{Bucket: "grants", Key: fmt.Sprint(i % 1000), Value: value})
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					save(b, db, oauth.Change{Bucket: "grants", Key: fmt.Sprint(rand.IntN(1000)), Value: value})
				}
			})
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	aead, _ := newAEAD(testKey)
	value := bytes.Repeat([]byte("v"), 600)
	for b.Loop() {
		seal(aead, "grants", "0123456789abcdef", value)
	}
}
