//go:build !darwin || cgo

package tray

import (
	"context"
	"sync"
)

// run draws on c, and does what is clicked, until ctx or the server ends.
func (t *tray) run(ctx context.Context, o Options, c canvas, opened <-chan struct{}) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t.canvas, t.opened = c, opened
	system := newDesktop(o, t.texts, t.click)
	defer system.close()
	defer t.removeQR()
	t.desktop = system
	var working sync.WaitGroup
	working.Go(func() { t.labour(ctx) })
	t.loop(ctx)
	stop()
	working.Wait()
}
