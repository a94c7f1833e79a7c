package config

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleTime is how long a file must be left alone: editors write in
	// several steps.
	settleTime = 250 * time.Millisecond
	// pollTime finds changes that no event tells of: network folders, links
	// into other folders, a folder that was not there before.
	pollTime = 5 * time.Second
)

// Watch calls fn once for each change of the content of one of paths, also
// when one comes to be or goes. It returns when ctx ends; fn is called on its
// goroutine, and what changes meanwhile is one change more. Editors that rename
// a new file over the old one are followed.
func Watch(ctx context.Context, paths []string, fn func()) {
	w := watch{paths: paths, settle: settleTime, poll: pollTime}
	w.run(ctx, fn)
}

type watch struct {
	paths        []string
	settle, poll time.Duration
}

func (w watch) run(ctx context.Context, fn func()) {
	events, stop := w.events()
	defer stop()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	settled := time.NewTimer(0) // at once: what is, is compared with what was
	defer settled.Stop()
	reported := w.look()
	seen := reported
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil // the poll goes on
			} else if w.ours(e.Name) {
				settled.Reset(w.settle)
			}
			continue
		case <-poll.C:
		case <-settled.C:
		}
		now := w.look()
		switch {
		case slices.Equal(now, reported):
		case !slices.Equal(now, seen): // still being written
			settled.Reset(w.settle)
		default:
			reported = now
			fn()
		}
		seen = now
	}
}

// events tells of changes in the folders of paths: of a file itself it would
// tell no more once another is renamed over it. nil if the system has none.
func (w watch) events() (<-chan fsnotify.Event, func()) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, func() {}
	}
	for _, path := range w.paths {
		_ = n.Add(filepath.Dir(path)) // one that is not there is polled
	}
	go func() {
		for range n.Errors { // such as too many events: the poll finds what was lost
		}
	}()
	return n.Events, func() { _ = n.Close() }
}

func (w watch) ours(name string) bool {
	return slices.ContainsFunc(w.paths, func(p string) bool { return filepath.Base(p) == filepath.Base(name) })
}

// look is what the files hold; the zero sum for one that can't be read.
func (w watch) look() [][32]byte {
	sums := make([][32]byte, len(w.paths))
	for i, path := range w.paths {
		sums[i] = sumOf(path)
	}
	return sums
}

func sumOf(path string) (sum [32]byte) {
	f, err := os.Open(path)
	if err != nil {
		return sum
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxSize+1)); err != nil {
		return [32]byte{}
	}
	h.Sum(sum[:0])
	return sum
}
