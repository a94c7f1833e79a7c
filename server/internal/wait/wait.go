// Package wait waits for a time, unless a context ends first. It knows nothing of
// what for. There is [For].
package wait

import (
	"context"
	"time"
)

// For returns after d, or with ctx's error as soon as that ends.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
