package config_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// writerPath is where a copy of this test stages a draft and never commits it.
const writerPath = "DRAWBRIDGE_TEST_WRITER"

// A writer that is killed leaves its draft. The next save takes it away, once
// nobody can be writing it any more, and leaves everything else.
func TestSaveSweepsWhatTheDeadLeft(t *testing.T) {
	if path := os.Getenv(writerPath); path != "" {
		if _, err := config.Stage(path, config.Default()); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("staged\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	var drafts []string
	for range 2 {
		writer := exec.Command(os.Args[0], "-test.run=^TestSaveSweepsWhatTheDeadLeft$")
		writer.Env = append(os.Environ(), writerPath+"="+path)
		in, err := writer.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = in.Close() }()
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "staged\n" {
			t.Fatalf("the writer said %q, %v", line, err)
		}
		if err := writer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = writer.Wait()
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != len(drafts)+1 {
			t.Fatalf("after the writer was killed there is %v, %v", left, err)
		}
		for _, entry := range left {
			if name := filepath.Join(dir, entry.Name()); len(drafts) == 0 || name != drafts[0] {
				drafts = append(drafts, name)
				break
			}
		}
	}
	mine := filepath.Join(dir, "notes.tmp")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{drafts[0], mine} {
		if err := os.Chtimes(name, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := save(path, config.Default()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{drafts[0]: false, drafts[1]: true, mine: true, path: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
}

// A file that may be read is changed in place; a larger one, which is none of
// ours, gives way.
func TestSaveOverALargeFile(t *testing.T) {
	for size, kept := range map[int]bool{1 << 20: true, 1<<20 + 1: false} {
		path := filepath.Join(t.TempDir(), "config.toml")
		text := "#" + strings.Repeat("x", size-2) + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path); (err == nil) != kept {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := save(path, config.Default()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || (string(got) == text) != kept {
			t.Errorf("%d bytes became %d, %v", size, len(got), err)
		}
	}
}
