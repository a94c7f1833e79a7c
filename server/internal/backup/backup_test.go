package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	workFactor = 10 // a stranger's file may still not want more than that
	os.Exit(m.Run())
}

const phrase = "correct horse battery"

var sample = map[string]string{Config: "listen = \"127.0.0.1:8000\"\n", Servers: `{"mcpServers":{}}`, Names: `["files/TOKEN"]`, State: strings.Repeat("sealed", 5000)}

func written(t testing.TB, a About, passphrase string, content map[string]string) []byte {
	t.Helper()
	dir, files := t.TempDir(), map[string]string{}
	for name, text := range content {
		files[name] = filepath.Join(dir, name)
		if err := os.WriteFile(files[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := Write(&b, a, files, passphrase); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func says(passphrase string) func() (string, error) {
	return func() (string, error) { return passphrase, nil }
}

func TestWhatWasSavedComesBack(t *testing.T) {
	for _, passphrase := range []string{"", phrase} {
		was := About{Version: "1.2.3", Time: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), DataKey: "c2VjcmV0"}
		file, dir := written(t, was, passphrase, sample), t.TempDir()
		got, err := Read(bytes.NewReader(file), dir, says(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		if passphrase == "" {
			was.DataKey = ""
		}
		if was.Format = 1; got != was {
			t.Errorf("passphrase %q: %+v, want %+v", passphrase, got, was)
		}
		if bytes.Contains(file, []byte("c2VjcmV0")) || passphrase != "" && bytes.Contains(file, []byte("listen")) {
			t.Error("what is sealed can be read in the file")
		}
		for name, want := range sample {
			if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
				t.Errorf("%s: %.40q, %v", name, text, err)
			}
		}
	}
}

// packed is a file of members that Write would not write.
func packed(t testing.TB, members ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range members {
		text := h.Uname // what it holds
		h.Uname = ""
		if h.Size == 0 {
			h.Size = int64(len(text))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, text)
	}
	_ = w.Flush()
	_ = w.Close()
	_ = z.Close()
	return b.Bytes()
}

func file(name, text string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Uname: text, Mode: 0o777}
}

func TestHostileFiles(t *testing.T) {
	head := func() *tar.Header { return file(about, `{"format":1}`) }
	good := written(t, About{}, "", sample)
	sealed := written(t, About{DataKey: "c2VjcmV0"}, phrase, sample)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-8]++ // the sum at the end of gzip
	link := func(kind byte) *tar.Header {
		return &tar.Header{Typeflag: kind, Name: Config, Linkname: "/etc/passwd"}
	}
	cut := bytes.Clone(sealed[:len(sealed)-1])
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"nothing", nil, ErrDamaged},
		{"another file", []byte("PK\x03\x04 and more of a zip"), ErrDamaged},
		{"cut", good[:len(good)/2], ErrDamaged},
		{"cut at its very end", good[:len(good)-1], ErrDamaged},
		{"a flipped bit", flipped, ErrDamaged},
		{"more behind it", append(bytes.Clone(good), "more"...), ErrDamaged},
		{"no members", packed(t), ErrDamaged},
		{"a path that climbs out", packed(t, head(), file("../../.bashrc", "evil")), ErrDamaged},
		{"an absolute path", packed(t, head(), file("/tmp/evil", "evil")), ErrDamaged},
		{"a path with a folder", packed(t, head(), file("./config.toml", "evil")), ErrDamaged},
		{"Windows' way out", packed(t, head(), file(`..\evil`, "evil")), ErrDamaged},
		{"an unknown member", packed(t, head(), file("control.json", "{}")), ErrDamaged},
		{"a symlink", packed(t, head(), link(tar.TypeSymlink)), ErrDamaged},
		{"a hard link", packed(t, head(), link(tar.TypeLink)), ErrDamaged},
		{"a folder", packed(t, head(), &tar.Header{Typeflag: tar.TypeDir, Name: Config}), ErrDamaged},
		{"a member twice", packed(t, head(), file(Config, "a"), file(Config, "b")), ErrDamaged},
		{"itself twice", packed(t, head(), head()), ErrDamaged},
		{"itself not first", packed(t, file(Config, "a"), head()), ErrDamaged},
		{"a huge member", packed(t, head(), file(Config, strings.Repeat("x", 2<<20))), ErrDamaged},
		{"a data key in clear", packed(t, head(), file(dataKey, "c2VjcmV0")), ErrDamaged},
		{"neither a configuration nor a state", packed(t, head(), file(Servers, "{}")), ErrDamaged},
		{"no format", packed(t, file(about, `{}`)), ErrDamaged},
		{"a newer format", packed(t, file(about, `{"format":2,"more":true}`), file("more.db", "")), ErrNewer},
		{"another passphrase", sealed, ErrPassphrase},
		{"sealed and cut", cut, ErrPassphrase},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b", "restored")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := Read(bytes.NewReader(c.file), dir, says("another passphrase"))
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			for up := dir; up != filepath.Dir(filepath.Dir(filepath.Dir(dir))); up = filepath.Dir(up) {
				for _, e := range entries(t, up) {
					if info, err := e.Info(); err != nil || !info.Mode().IsRegular() && !e.IsDir() || strings.Contains(e.Name(), "evil") || strings.Contains(e.Name(), "bash") {
						t.Errorf("it made %s, %v", e.Name(), err)
					}
				}
			}
		})
	}
	if _, err := Read(bytes.NewReader(cut), t.TempDir(), says(phrase)); !errors.Is(err, ErrDamaged) {
		t.Errorf("sealed and cut: %v", err)
	}
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Cut short before its commit a restore has changed nothing; after it, at any
// point, Finish brings the whole of the new.
func TestCutShort(t *testing.T) {
	root := t.TempDir()
	data, conf := filepath.Join(root, "data"), filepath.Join(root, "conf", Config)
	old := map[string]string{Config: "old", Servers: "old", State: "old"}
	for name, path := range Places(conf, data) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if old[name] != "" && os.WriteFile(path, []byte("old"), 0o600) != nil {
			t.Fatal(name)
		}
	}
	holds := func(want map[string]string) {
		t.Helper()
		for name, path := range Places(conf, data) {
			text, err := os.ReadFile(path)
			if string(text) != want[name] || (want[name] == "") != errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %.20q, want %.20q (%v)", name, text, want[name], err)
			}
		}
	}
	now := map[string]string{Config: "new", Names: "[]", State: "new"} // it mounts no servers
	read := func() string {
		dir, err := Stage(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(bytes.NewReader(written(t, About{}, "", now)), dir, nil); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	read() // and no more
	if err := Finish(data); err != nil {
		t.Fatal(err)
	}
	holds(old)

	dir := read()
	_ = os.Remove(Places(conf, data)[Names])
	blocked := Places(conf, data)[Names] // something there that can't be replaced, in the middle of it
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Commit(dir, data, conf); err == nil {
		t.Fatal("it put a file over a folder")
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Finish(data); err != nil {
			t.Fatal(err)
		}
		holds(now)
	}
	if left := entries(t, data); len(left) != 3 { // the lock is one
		t.Errorf("it left %v", left)
	}
	if err := Commit(read(), data, conf); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// A member that the backup lacks goes away, but for what is kept; and what is
// called like the folder of a restore and is none is nothing.
func TestWhatABackupLacks(t *testing.T) {
	for _, keep := range [][]string{nil, {Names, State}} {
		data := t.TempDir()
		places := Places(filepath.Join(data, "conf", Config), data)
		for _, path := range places {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"restore", ".restore"} {
			if err := os.WriteFile(filepath.Join(data, name), []byte("a file"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		killed := filepath.Join(data, ".restore-1")
		if err := os.Mkdir(killed, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(killed, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := Finish(data); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(killed); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what a killed restore left is there: %v", err)
		}
		dir, err := Stage(data)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, Config), []byte("new"), 0o600)
		}
		if err == nil {
			err = Commit(dir, data, places[Config], keep...)
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, path := range places {
			_, err := os.Stat(path)
			if there := name == Config || slices.Contains(keep, name); there != (err == nil) {
				t.Errorf("keep %v: %s: %v", keep, name, err)
			}
		}
	}
}

// Commands that start at once all finish the same restore.
func TestFinishAtOnce(t *testing.T) {
	for range 10 {
		data := t.TempDir()
		places := Places(filepath.Join(data, Config), data)
		dir := filepath.Join(data, ready)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name := range places {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("new"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		text, err := json.Marshal(plan{Config: places[Config], Put: []string{Config, Servers, Names, State}})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, where), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := Finish(data); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for name, path := range places {
			if text, err := os.ReadFile(path); string(text) != "new" {
				t.Fatalf("%s: %q, %v", name, text, err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, About{Version: "1"}, "", map[string]string{Config: "x = 1", State: "sealed"}))
	f.Add(packed(f, file(about, `{"format":1}`), file("../x", "y")))
	f.Add([]byte(ageHeader + "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		dir := filepath.Join(root, "in")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := Read(bytes.NewReader(data), dir, func() (string, error) { return "", ErrPassphrase })
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("an error of another kind: %v", err)
		}
		if up := entries(t, root); len(up) != 1 {
			t.Errorf("it wrote beside its folder: %v", up)
		}
		for _, e := range entries(t, dir) {
			if info, err := e.Info(); err != nil || limits[e.Name()] == 0 || info.Size() > limits[e.Name()] || !info.Mode().IsRegular() {
				t.Errorf("it wrote %s", e.Name())
			}
		}
	})
}
