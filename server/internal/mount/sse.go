package mount

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// event is one server-sent event (HTML, "Server-sent events").
type event struct {
	id    string
	name  string // "" is message
	data  []byte
	retry time.Duration // 0: not said
}

var errLongEvent = errors.New("an event is too long")

// eventReader reads server-sent events of bounded length.
type eventReader struct{ lines *lineReader }

func newEventReader(r io.Reader) *eventReader {
	return &eventReader{newLineReader(r, maxMessage+len("data: "))}
}

// next returns the next event that says anything. A stream that ends in the
// middle of one does not say it.
func (e *eventReader) next() (event, error) {
	var ev event
	some := false
	for {
		line, cut, err := e.lines.next()
		switch {
		case err != nil:
			return event{}, err
		case cut:
			return event{}, errLongEvent
		case len(line) == 0 && some:
			return ev, nil
		case len(line) == 0:
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if ev.data == nil {
				ev.data = value // each line has its own bytes
			} else {
				ev.data = append(append(ev.data, '\n'), value...)
			}
			if ev.data == nil {
				ev.data = []byte{}
			}
			if len(ev.data) > maxMessage {
				return event{}, errLongEvent
			}
		case "event":
			ev.name = string(value)
		case "id":
			if len(value) > 1024 || bytes.IndexByte(value, 0) >= 0 {
				continue
			}
			ev.id = string(value)
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				ev.retry = time.Duration(ms) * time.Millisecond
			}
		default: // a comment keeps the connection alive
			continue
		}
		some = true
	}
}
