package tunnel

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

const (
	senseEvery = 2 * time.Second
	// slept is how much later than expected a tick comes when the computer
	// slept. A clock that is set forward looks the same, and does no harm: an
	// open line is only asked to prove itself.
	slept = 8 * time.Second
)

// sense calls Doubt after a sleep and when this computer's addresses change,
// until ctx ends. The channel is closed then.
func (k *Keeper) sense(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	network := k.opts.Network
	if network == nil {
		network = addresses
	}
	go func() {
		defer close(done)
		ticker := time.NewTicker(senseEvery)
		defer ticker.Stop()
		last, where := k.wall(), network()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			now, here := k.wall(), network()
			if now.Sub(last) > senseEvery+slept || here != where {
				k.opts.Log.Info("the network may have changed", "slept", now.Sub(last) > senseEvery+slept)
				k.Doubt()
			}
			last, where = now, here
		}
	}()
	return done
}

// wall is the time by the clock on the wall: the other one stands still while
// the computer sleeps.
func (k *Keeper) wall() time.Time { return k.opts.Now().Round(0) }

// addresses names the addresses by which this computer reaches others. Link-local
// ones come and go with no meaning.
func addresses() string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var out []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
