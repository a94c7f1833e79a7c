package setup

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/term"
)

// Terminal is a person who can be asked. Both methods print prompt, return
// one line without its end, and give up when ctx ends; the end of the input
// is an error.
type Terminal interface {
	ReadLine(ctx context.Context, prompt string) (string, error)
	// ReadSecret doesn't show what is typed.
	ReadSecret(ctx context.Context, prompt string) (string, error)
}

var errStopped = errors.New("stopped: nothing was changed")

// TerminalOf returns in as a terminal, or nil if it is none.
func TerminalOf(in io.Reader, out io.Writer) Terminal {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return tty{f, out}
}

type tty struct {
	in  *os.File
	out io.Writer
}

func (t tty) ReadLine(ctx context.Context, prompt string) (string, error) {
	_, _ = fmt.Fprint(t.out, prompt)
	return t.interruptible(ctx, func() (string, error) {
		line := bufio.NewScanner(t.in) // a terminal gives one line at a time, so none is lost with it
		if !line.Scan() {
			return "", cmp.Or(line.Err(), io.EOF)
		}
		return line.Text(), nil
	})
}

func (t tty) ReadSecret(ctx context.Context, prompt string) (string, error) {
	_, _ = fmt.Fprint(t.out, prompt)
	secret, err := t.interruptible(ctx, func() (string, error) {
		b, err := term.ReadPassword(int(t.in.Fd()))
		return string(b), err
	})
	_, _ = fmt.Fprintln(t.out) // the Enter that was not shown
	return secret, err
}

// interruptible runs read until it returns, ctx ends or Ctrl-C is pressed.
// Then the terminal shows again what is typed; read itself can't be stopped
// and ends with the process, which is about to.
func (t tty) interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	state, _ := term.GetState(int(t.in.Fd()))
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := read()
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		if errors.Is(r.err, io.EOF) {
			return "", errStopped
		}
		return r.line, r.err
	case <-ctx.Done():
		if state != nil {
			_ = term.Restore(int(t.in.Fd()), state)
		}
		return "", errStopped
	}
}
