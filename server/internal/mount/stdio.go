package mount

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	// Lines on stdout that are no messages: some programs print a greeting, but
	// one that prints nothing else is no MCP server.
	maxJunkLines = 10_000
	maxJunkBytes = 64 << 20
	maxNoteLine  = 4096      // bytes of a line on stderr
	notesRate    = 256 << 10 // bytes of stderr that are kept each second, behind
	notesBurst   = 8 << 20   // so many at once
	maxQuote     = 200       // runes of the line that is quoted when the server ended
)

var errFull = errors.New("the server does not read its input")

// stdioWire speaks with a process, a message a line (MCP 2026-07-28, stdio).
type stdioWire struct {
	conv *conversation
	proc *process.Process
	wake chan struct{} // holds one wake of the writer
	busy group         // the goroutines below

	mu    sync.Mutex // guards all below
	queue []byte     // to be written, a message a line
	size  int        // bytes of it, and of what is being written
	why   *failure   // why we ended it, if we did

	noted    chan struct{} // closed once stderr is read to its end
	lastNote string        // the last line of it; set before noted is closed
	secrets  []string      // what was filled in of its settings
}

func (w *stdioWire) start(c *call) {
	if err := w.tell(c.body()); err != nil {
		c.inbox.finish(nil, &failure{text: "does not read what it is sent. Try again in a while.", cause: err})
	}
}

func (w *stdioWire) cancel(c *call, message []byte) {
	if c.method == "initialize" || c.method == "server/discover" {
		return // the first must not be cancelled; of the other nothing is known yet
	}
	_ = w.tell(message)
}

// tell queues a message.
func (w *stdioWire) tell(message []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size > 0 && w.size+len(message) > w.conv.server.set.tune.unread {
		return errFull
	}
	message = escapeLineEnds(message)
	w.queue, w.size = append(append(w.queue, message...), '\n'), w.size+len(message)+1
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// write writes what is queued. What comes meanwhile goes with the next write.
func (w *stdioWire) write() {
	var spare []byte
	for {
		select {
		case <-w.wake:
		case <-w.proc.Done:
			return
		}
		w.mu.Lock()
		lines := w.queue
		w.queue = spare[:0]
		w.mu.Unlock()
		if _, err := w.proc.Stdin.Write(lines); err != nil {
			if !w.proc.EndsIn(time.Second) { // else how it ended says more
				w.abandon("closed its input.")
			}
			return
		}
		w.mu.Lock()
		w.size -= len(lines)
		w.mu.Unlock()
		if spare = lines; cap(spare) > limit.Free {
			spare = nil
		}
	}
}

// read hands on what the server says, until it says no more.
func (w *stdioWire) read() {
	lines := newLineReader(w.proc.Stdout, maxMessage)
	room := limit.Answers.For(fmt.Sprintf("%s %p", w.conv.server.name, w.conv))
	defer room.Release()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.busy.start(func() {
		select {
		case <-w.proc.Done:
			cancel()
		case <-ctx.Done():
		}
	})
	lines.large = func() error { return room.Take(ctx, maxMessage) }
	junkLines, junkBytes, first := 0, 0, true
	for {
		room.Shrink(0) // of the line before, if no call took it
		line, cut, err := lines.next()
		if err != nil {
			break
		}
		if cut {
			w.conv.server.log.say("It wrote a line of more than %d MiB, which was dropped.", maxMessage>>20)
			w.conv.abort(errTooBig())
			continue
		}
		messages, err := parse(line)
		if err != nil && first {
			messages, err = parseBehind(line)
		}
		if err != nil && len(line) > 0 {
			if junkLines == 0 {
				w.conv.server.log.say("It wrote to stdout what is no message, which was passed over: %s", line[:min(len(line), 200)])
			}
			junkLines, junkBytes = junkLines+1, junkBytes+len(line)
			if junkLines > maxJunkLines || junkBytes > maxJunkBytes {
				w.abandon("writes to stdout without end what is no MCP message. Is it an MCP server?")
				break
			}
		}
		if len(messages) > 0 {
			first = false
			junkBytes, junkLines = 0, min(junkLines, 1)
		}
		for i := range messages {
			w.conv.give(room, &messages[i], len(line))
			w.conv.receive(&messages[i], nil)
		}
	}
	w.ended()
}

// ended tells the conversation how the process ended. One that has closed its
// stdout is on its way out.
func (w *stdioWire) ended() {
	if !w.proc.EndsIn(2 * time.Second) {
		w.proc.Stop(w.conv.server.set.tune.grace)
	}
	_ = w.proc.Stdout.Close()
	w.mu.Lock()
	f := w.why
	w.mu.Unlock()
	if f == nil {
		f = &failure{text: "ended by itself (" + w.proc.Status + "). Its log may say why.", kind: crashed}
		if w.proc.NotStarted {
			f = &failure{text: "could not be started. Its log says why.", kind: lasting}
		}
		<-w.noted // its last words come after its end, sometimes
		if w.lastNote != "" {
			f.detail = "It last wrote: " + w.lastNote
		}
	}
	w.conv.wireEnded(w, f)
}

// abandon ends a process that can't be talked to.
func (w *stdioWire) abandon(text string) {
	w.mu.Lock()
	if w.why == nil {
		w.why = &failure{text: text, kind: crashed}
	}
	w.mu.Unlock()
	w.busy.start(func() { w.proc.Stop(process.Grace{EOF: 100 * time.Millisecond, Term: time.Second}) })
}

// readNotes keeps what the server writes to stderr. A flood is slowed down, so that
// it costs the server's time and not everybody's, and passed over.
func (w *stdioWire) readNotes() {
	defer close(w.noted)
	lines := newLineReader(w.proc.Stderr, maxNoteLine)
	allowed := rate.NewLimiter(notesRate, notesBurst)
	flood, told := 0, time.Time{}
	for {
		line, _, err := lines.next()
		more := err == nil && !allowed.AllowN(time.Now(), len(line))
		if more {
			flood += len(line) + lines.pass()
			time.Sleep(5 * time.Millisecond)
		}
		if flood > 0 && (err != nil || time.Since(told) >= time.Minute) {
			w.conv.server.log.say("It wrote %d KiB more to stderr than is kept, which was passed over. Lower its log level, if it has one.", flood>>10)
			flood, told = 0, time.Now()
		}
		if err != nil {
			_ = w.proc.Stderr.Close()
			return
		}
		if more {
			continue
		}
		text := w.masked(string(line))
		w.conv.server.log.add(text)
		if clean := status.Clean(text, maxQuote); strings.TrimSpace(clean) != "" {
			w.lastNote = clean
		}
	}
}

// masked is a line without the server's secrets: programs print their settings.
func (w *stdioWire) masked(line string) string {
	for _, secret := range w.secrets {
		line = strings.ReplaceAll(line, secret, "[secret]")
	}
	return line
}

func (w *stdioWire) close() {
	w.proc.Stop(w.conv.server.set.tune.grace)
	w.busy.wait()
	_ = w.proc.Stdout.Close() // one that was never run has no reader to do so
	_ = w.proc.Stderr.Close()
}
