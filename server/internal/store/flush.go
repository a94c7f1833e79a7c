package store

import (
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	// flushDelay is how long a recorded event may wait for others before it is
	// written.
	flushDelay = 500 * time.Millisecond
	// busyDelays is how many of these tool calls wait while there are many:
	// most are pushed out by newer ones before anything need be written.
	busyDelays = 10
	manyCalls  = 100
)

// run writes recorded events in batches until Close.
func (j *Journal) run() {
	defer close(j.stopped)
	failing := false
	for {
		select {
		case <-j.nudge:
		case <-j.stop:
			return
		}
		for waited := 0; waited == 0 || waited < busyDelays && j.busy(); waited++ {
			select {
			case <-time.After(flushDelay):
			case <-j.stop:
				return
			}
		}
		err := j.flush()
		if err != nil && !failing {
			j.log.Error("events not saved, trying on", "cause", err)
		}
		if err == nil && failing {
			j.log.Info("events saved again")
		}
		if failing = err != nil; failing {
			select {
			case j.nudge <- struct{}{}:
			default:
			}
		}
	}
}

// busy reports whether there is nothing to write but many tool calls.
func (j *Journal) busy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) < manyCalls {
		return false
	}
	for s := range j.pending {
		if s.class != status.Calls {
			return false
		}
	}
	return true
}

// flush writes the pending events, or leaves them pending. It seals them
// without j.mu: tool calls wait for that.
func (j *Journal) flush() error {
	aead, err := j.db.state()
	if err != nil {
		return err
	}
	j.mu.Lock()
	batch := j.pending
	j.pending = make(map[slot]storedEvent, len(batch))
	j.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	sealed := sealEvents(aead, batch)
	r, err := j.enqueue(func() (*request, error) {
		j.dropTaken(batch)
		var puts []put
		for s := range batch {
			puts = append(puts, sealed[s])
		}
		return j.db.enqueue(aead, puts)
	})
	if err == nil {
		err = j.db.wait(r)
	}
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.dropTaken(batch)
		maps.Copy(j.pending, batch)
	}
	return err
}

// dropTaken removes the events whose place a newer one has taken since. It
// needs j.mu.
func (j *Journal) dropTaken(batch map[slot]storedEvent) {
	maps.DeleteFunc(batch, func(s slot, e storedEvent) bool {
		return j.count[s.class]-e.count > s.class.Limit()
	})
}

func sealEvents(aead cipher.AEAD, places map[slot]storedEvent) map[slot]put {
	sealed := make(map[slot]put, len(places))
	for s, e := range places {
		value, err := json.Marshal(e)
		if err != nil { // a year beyond 9999: no clock says so
			value = []byte("{}")
		}
		sealed[s] = put{eventBucket, s.key(), seal(aead, eventBucket, s.key(), value)}
	}
	return sealed
}

// Close writes what is pending and stops. Events recorded later are published,
// not written.
func (j *Journal) Close() error {
	j.once.Do(func() { close(j.stop) })
	<-j.stopped
	if err := j.flush(); err != nil {
		return fmt.Errorf("save the last events: %w", err)
	}
	return nil
}
