package cli

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// The log lands in the data folder, is one old and one new file of bounded size,
// loses no line between them, and is no one else's to read.
func TestLogFile(t *testing.T) {
	folder := t.TempDir()
	t.Cleanup(func() { _ = debug.SetCrashOutput(nil, debug.CrashOptions{}) }) // Windows deletes nothing that is open
	log := &logFile{path: filepath.Join(folder, "none", "drawbridge.log")}
	if n, err := log.Write([]byte("too early\n")); n != 10 || err != nil {
		t.Fatalf("without a folder: %d, %v", n, err)
	}
	log.path = filepath.Join(folder, "drawbridge.log")
	line := strings.Repeat("x", 1000)
	const lines = 2000
	for i := range lines {
		fmt.Fprintf(log, "%d %s\n", i, line)
	}
	_ = log.file.Close()
	var all []byte
	for _, name := range []string{"drawbridge.old.log", "drawbridge.log"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 1<<20+2000 {
			t.Errorf("%s has %d bytes", name, len(data))
		}
		all = append(all, data...)
	}
	if got := bytes.Count(all, []byte("\n")); got != lines || !bytes.HasSuffix(all, fmt.Appendf(nil, "%d %s\n", lines-1, line)) {
		t.Errorf("%d lines of %d are there", got, lines)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("left in the folder: %v", entries)
	}
	again := &logFile{path: log.path} // the next start goes on where this one ended
	before, _ := os.Stat(log.path)
	fmt.Fprintln(again, "next")
	_ = again.file.Close()
	if after, err := os.Stat(log.path); err != nil || after.Size() != before.Size()+5 {
		t.Errorf("the next start made it %v long, from %d (%v)", after, before.Size(), err)
	}
}

// systemd is told once all is up, on the socket that it names (sd_notify(3)).
func TestReady(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has neither systemd nor such sockets")
	}
	folder, err := os.MkdirTemp("", "n") // the name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	l, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	tellReady()
	got := make([]byte, 100)
	n, _, err := l.ReadFrom(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("told %q, %v", got[:n], err)
	}
}
