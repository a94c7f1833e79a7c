package tray

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A desktop's own launcher starts the program with the arguments that were
// meant, odd ones too.
func TestLoginLaunch(t *testing.T) {
	launcher, err := exec.LookPath("gio")
	if err != nil {
		says := "gio is missing: apt-get install -y libglib2.0-bin"
		if os.Getenv("DRAWBRIDGE_TEST_ALL") == "1" {
			t.Fatal(says)
		}
		t.Skip(says)
	}
	dir := filepath.Join(t.TempDir(), "a folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	program := filepath.Join(dir, "draw bridge")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\" >'"+out+".new' && mv '"+out+".new' '"+out+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--data", `/tmp/it's "5" $HOME 100% back\slash`, "--config", "/tmp/é`id`;x"}
	file := filepath.Join(dir, "drawbridge.desktop")
	if err := os.WriteFile(file, []byte(loginEntry(append([]string{program}, args...))), 0o600); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command(launcher, "launch", file).CombinedOutput(); err != nil {
		t.Fatalf("gio launch: %v %s", err, msg)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, err := os.ReadFile(out); err == nil {
			if want := strings.Join(args, "\n") + "\n"; string(got) != want {
				t.Errorf("started with\n%swant\n%s", got, want)
			}
			return
		}
	}
	t.Error("it was not started")
}
