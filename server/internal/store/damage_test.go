package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

var update = flag.Bool("update", false, "write the sample file of the current format")

// sampleRecords are those of testdata/state-v1.db, sealed with testKey.
var sampleRecords = map[string]string{"g1": `{"user":"ana@example.com"}`, "g2": strings.Repeat("long ", 2000)}

// A file of each format that was ever released must open for good.
func TestSampleFile(t *testing.T) {
	const sample = "testdata/state-v1.db"
	if *update {
		os.Remove(sample)
		db := openDB(t, sample)
		for k, v := range sampleRecords {
			save(t, db, set("grants", k, v))
		}
		db.Close()
	}
	file, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	db := openDB(t, write(t, file))
	if got := mustLoad(t, db, "grants"); !maps.Equal(got, sampleRecords) {
		t.Errorf("got %v", got)
	}
}

func write(t testing.TB, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// lived returns a file after many writes: trees of several levels, records
// longer than a page, small buckets, free pages. The last write added "last".
func lived(t testing.TB) (file []byte, grants map[string]string) {
	path := newPath(t)
	db := openDB(t, path)
	grants = make(map[string]string)
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var changes []oauth.Change
		for range 20 {
			k, v := fmt.Sprint("g", r.IntN(300)), strings.Repeat("x", r.IntN(900))
			changes, grants[k] = append(changes, set("grants", k, v)), v
		}
		gone := fmt.Sprint("g", r.IntN(300))
		delete(grants, gone)
		save(t, db, append(changes, oauth.Change{Bucket: "grants", Key: gone})...)
	}
	grants["big"] = strings.Repeat("y", 20_000)
	save(t, db, set("grants", "big", grants["big"]), set("clients", "c", "small"))
	save(t, db, set("last", "last", "last"))
	db.Close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, grants
}

// readAll opens the file and reads everything, as a start of Drawbridge does.
func readAll(path string) (grants, last map[string]string, err error) {
	db, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	if empty, err := db.Empty(); err != nil || empty {
		return nil, nil, errors.Join(err, fmt.Errorf("empty: %v", empty))
	}
	if err := db.Unseal(testKey); err != nil {
		return nil, nil, err
	}
	if grants, err = load(db, "grants"); err != nil {
		return nil, nil, err
	}
	last, err = load(db, "last")
	return grants, last, errors.Join(err, db.Save([]oauth.Change{set("grants", "after", "x")}))
}

func TestTruncatedFile(t *testing.T) {
	file, grants := lived(t)
	used := usedBytes(t, file)
	r := rand.New(rand.NewPCG(3, 4))
	lengths := []int{0, 1, 15, 16, 80, 4095, 4096, 4097, 8191, 8192, 12288, 16384, 32768, used - 1, used - 4096}
	for range 100 {
		lengths = append(lengths, r.IntN(used))
	}
	for _, n := range lengths {
		path := write(t, file[:n])
		if _, _, err := readAll(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "sign in again") {
			t.Errorf("cut to %d of %d bytes: %v", n, len(file), err)
		}
		if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, file[:n]) {
			t.Errorf("cut to %d bytes: the damaged file was changed", n)
		}
	}
	if got, _, err := readAll(write(t, file[:used])); err != nil || !maps.Equal(got, grants) {
		t.Error("without the unused end:", err)
	}
}

// usedBytes is where the last page that the file's tree may use ends.
func usedBytes(t *testing.T, file []byte) int {
	b, err := bbolt.Open(write(t, file), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var n int64
	b.View(func(tx *bbolt.Tx) error { n = tx.Size(); return nil })
	return int(n)
}

// A file with any bit turned over is refused, or reads as it was. The first two
// pages say which transaction was the last: if that of the last write is spoilt
// (as when the power goes during the write), the one before it counts.
func TestFlippedBits(t *testing.T) {
	file, grants := lived(t)
	r := rand.New(rand.NewPCG(5, 6))
	refused := 0
	const tries = 400
	page := os.Getpagesize()
	for i := range tries {
		flipped := bytes.Clone(file)
		at := r.IntN(len(file))
		switch i % 3 {
		case 0: // where pages begin: headers, elements
			at = at/page*page + r.IntN(64)
		case 1: // the first pages
			at = r.IntN(2 * page)
		}
		flipped[at] ^= 1 << r.IntN(8)
		got, last, err := readAll(write(t, flipped))
		switch {
		case errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer) || errors.Is(err, ErrWrongKey):
			refused++
		case err != nil:
			t.Errorf("bit at %d: %v", at, err)
		case !maps.Equal(got, grants), len(last) != 1 && at >= 2*page:
			t.Errorf("bit at %d: opened with %d of %d records, last %v", at, len(got), len(grants), last)
		}
	}
	if refused < tries/10 {
		t.Errorf("only %d of %d refused", refused, tries)
	}
	t.Logf("%d of %d refused, the rest unharmed", refused, tries)
}

// bbolt overwrites the pages that its list of free ones names.
func TestSpoiltFreelist(t *testing.T) {
	file, _ := lived(t)
	p := &pages{f: bytes.NewReader(file), size: uint64(os.Getpagesize())}
	root, list, err := p.meta()
	if err != nil {
		t.Fatal(err)
	}
	first := file[list*p.size+pageHeader:]
	second := order.Uint64(first[8:])
	for name, id := range map[string]uint64{"a page twice": second, "a page in use": root, "a meta page": 1, "no page": p.n, "far away": 1 << 60} {
		order.PutUint64(first, id)
		if _, _, err := readAll(write(t, file)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGarbage(t *testing.T) {
	file, _ := lived(t)
	r := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		spoilt := bytes.Clone(file)
		at, n := r.IntN(len(file)), 1+r.IntN(16384)
		for i := at; i < min(at+n, len(file)); i++ {
			spoilt[i] = byte(r.Uint32())
		}
		readAll(write(t, spoilt)) // must return
	}
	for _, file := range [][]byte{[]byte("[idp]\n"), bytes.Repeat([]byte("no database "), 10_000), make([]byte, 65536)} {
		if _, _, err := readAll(write(t, file)); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v, want ErrDamaged", err)
		}
	}
}

// The file is cut while it is open: an error, not the end of the process.
func TestCutWhileOpen(t *testing.T) {
	file, _ := lived(t)
	path := write(t, file)
	db := openDB(t, path)
	if err := os.Truncate(path, 4096); err != nil {
		t.Skip("this system does not cut open files:", err)
	}
	if _, err := load(db, "grants"); !errors.Is(err, ErrDamaged) {
		t.Error("Load:", err)
	}
	if err := db.Save([]oauth.Change{set("grants", "a", "1")}); !errors.Is(err, ErrDamaged) {
		t.Error("Save:", err)
	}
	db.Close()
}

// raw changes the file behind the store's back.
func raw(t *testing.T, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	b, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Update(fn); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormat(t *testing.T) {
	path := newPath(t)
	openDB(t, path).Close()
	raw(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{2}) })
	if _, err := Open(path); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "Update Drawbridge") {
		t.Errorf("got %v, want ErrNewer", err)
	}
}

// Somebody who can write the file, but has no key, moves records about.
func TestMovedRecords(t *testing.T) {
	move := func(from, fromKey, to, toKey string) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(to)).Put([]byte(toKey), bytes.Clone(tx.Bucket([]byte(from)).Get([]byte(fromKey))))
		}
	}
	for _, c := range []struct {
		name string
		fn   func(tx *bbolt.Tx) error
	}{
		{"a record under another key", move("grants", "alice", "grants", "bob")},
		{"a record under a new key", move("grants", "alice", "grants", "eve")},
		{"a record in another bucket", move("clients", "alice", "grants", "alice")},
		{"the check as a record", move("meta", "check", "grants", "alice")},
		{"a value in clear", func(tx *bbolt.Tx) error { return tx.Bucket([]byte("grants")).Put([]byte("alice"), []byte("{}")) }},
		{"a lost check", func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("check")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newPath(t)
			db := openDB(t, path)
			save(t, db, set("grants", "alice", "1"), set("grants", "bob", "2"), set("clients", "alice", "3"))
			db.Close()
			raw(t, path, c.fn)
			if _, _, err := readAll(path); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		})
	}
}

func TestNothingInClear(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	const secret = "dbr_this-is-a-refresh-token"
	save(t, db, set("grants", "g", secret))
	save(t, db, set("grants", "g", secret+"-2"))
	db.Close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range [][]byte{[]byte(secret), []byte("refresh"), testKey, []byte(checkText)} {
		if bytes.Contains(file, clear) {
			t.Errorf("the file holds %q", clear)
		}
	}
}

// sampleRecord is "value", sealed under "grants" and "g" with testKey.
const sampleRecord = "010615feaed6362b66a9dccc4b0252ff8f17c5a67eb132d77e27eb9a14fec6692a0e"

func FuzzOpenRecord(f *testing.F) {
	aead, err := newAEAD(testKey)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := hex.DecodeString(sampleRecord)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, "grants", "g")
	f.Add(sealed[:20], "grants", "g")
	f.Add(sealed, "clients", "g")
	f.Fuzz(func(t *testing.T, record []byte, bucket, key string) {
		value, err := open(aead, bucket, key, record)
		genuine := bytes.Equal(record, sealed) && bucket == "grants" && key == "g"
		if genuine != (err == nil) || genuine && string(value) != "value" {
			t.Errorf("genuine %v: %q, %v", genuine, value, err)
		}
	})
}

// Whatever the pages hold, checkPages ends and returns.
func FuzzCheckPages(f *testing.F) {
	file, err := os.ReadFile("testdata/state-v1.db")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(8192), []byte("spoilt"))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		spoilt := bytes.Clone(file)
		copy(spoilt[int(at)%len(spoilt):], patch)
		checkPages(bytes.NewReader(spoilt), 4096)
	})
}
