package cli

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
)

// maxLog is how large the log file grows before it becomes the old one.
const maxLog = 1 << 20

// logFile is the log in the data folder, for a Drawbridge that nobody started in
// a terminal: drawbridge.log, and before it drawbridge.old.log. It says what
// standard error says. What it can't write it passes over: there may be no data
// folder yet, and the disk may be full.
type logFile struct {
	path string

	mu   sync.Mutex // guards both below
	file *os.File
	size int64
}

// keepLog has the log written into the data folder too.
func (a *app) keepLog() *logFile {
	file := &logFile{path: filepath.Join(a.data, "drawbridge.log")}
	a.logTo(io.MultiWriter(file, a.errOut.Writer))
	return file
}

func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil && l.size > maxLog {
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{}) // Windows renames nothing that is open
		_ = l.file.Close()
		l.file = nil
		_ = os.Rename(l.path, filepath.Join(filepath.Dir(l.path), "drawbridge.old.log"))
	}
	if l.file == nil {
		file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return len(line), nil
		}
		l.file, l.size = file, 0
		if info, err := file.Stat(); err == nil {
			l.size = info.Size()
		}
		_ = debug.SetCrashOutput(file, debug.CrashOptions{})
	}
	n, _ := l.file.Write(line)
	l.size += int64(n)
	return len(line), nil
}

// tellReady tells systemd, if it waits for that, that all is up (sd_notify(3)).
func tellReady() {
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		if c, err := net.Dial("unixgram", socket); err == nil {
			_, _ = c.Write([]byte("READY=1"))
			_ = c.Close()
		}
	}
}
