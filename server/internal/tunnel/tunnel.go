// Package tunnel brings the internet to Drawbridge: it opens a line at a
// [Provider], keeps it open, says how it stands, and looks at the app from
// outside in. It never decides what is served on the line, and never takes
// another URL than the one that clients know. Start at [Keeper]; [Ngrok] is the
// provider there is, and a second one is one more file.
package tunnel

import (
	"context"
	"net"
	"time"
)

// Provider is a service that brings visitors to this computer.
type Provider interface {
	// Name is what people call it.
	Name() string
	// Open connects, and asks for visitors to url, or to whatever address the
	// account has if url is "". It tries once. It gives up when ctx ends, which
	// has no effect on an open line. Its errors are [*Error], in sentences.
	Open(ctx context.Context, url string) (*Line, error)
}

// Line is an open way in.
type Line struct {
	// Listener takes visitors' connections, whose RemoteAddr is the visitor's.
	// Its Close sends further visitors away and leaves connections alone.
	Listener net.Listener
	URL      string       // where visitors come, no slash at the end
	Lost     <-chan error // gives one error when the line is gone
	Hangup   func()       // ends the line and every connection on it
}

// Error is why there is no line, in a sentence that says what to do.
type Error struct {
	Code  string // the provider's own, such as "ERR_NGROK_105"; "" if it gave none
	Msg   string
	Fatal bool  // trying again is no use until something has changed
	Taken bool  // somebody is visited at this URL: another instance, or our own lost line
	Err   error // the cause, for the log; it holds no secret
}

func (e *Error) Error() string {
	if e.Code == "" {
		return e.Msg
	}
	return e.Msg + " (" + e.Code + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The states of a tunnel.
const (
	Off        = "off"
	Connecting = "connecting"
	Up         = "up"
	Down       = "down"
	Paused     = "paused"
)

// State is how the tunnel stands.
type State struct {
	Name  string
	URL   string    // of the open line; "" without one
	Since time.Time // of Name
	Error string    // why it is Down; while Up, what the look from outside found wrong
	Note  string    // what a person should know although nothing is wrong
	Next  time.Time // the next attempt while Down; zero if something must change first
}
