package config

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/wait"
)

// watchPace is how often the files are looked at. Two looks in a row that see the
// same tell that an editor, which writes in several steps, is done. Looking
// costs microseconds, and misses nothing that events of the system do: network
// folders, links into other folders, a folder that was not there before.
const watchPace = 500 * time.Millisecond

// Watch calls fn once for each change of the content of one of paths, also
// when one comes to be or goes. It returns when ctx ends; fn is called on its
// goroutine, and what changes meanwhile is one change more.
func Watch(ctx context.Context, paths []string, fn func()) { watch(ctx, paths, watchPace, fn) }

func watch(ctx context.Context, paths []string, pace time.Duration, fn func()) {
	reported := look(paths)
	seen := reported
	for wait.For(ctx, pace) == nil {
		now := look(paths)
		if slices.Equal(now, seen) && !slices.Equal(now, reported) {
			reported = now
			fn()
		}
		seen = now
	}
}

// look is what the files hold; the zero sum for one that can't be read.
func look(paths []string) [][32]byte {
	sums := make([][32]byte, len(paths))
	for i, path := range paths {
		if f, err := os.Open(path); err == nil {
			h := sha256.New()
			if _, err := io.Copy(h, io.LimitReader(f, maxSize+1)); err == nil {
				h.Sum(sums[i][:0])
			}
			_ = f.Close()
		}
	}
	return sums
}
