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
	for at := range j.pending {
		if at.Class != status.Calls {
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
	j.pending = make(map[status.Place]storedEvent, len(batch))
	j.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	sealed := sealEvents(aead, batch)
	j.mu.Lock() // until they are in line: see Save
	j.dropTaken(batch)
	var puts []put
	for at := range batch {
		puts = append(puts, sealed[at])
	}
	r, err := j.db.enqueue(aead, puts)
	j.mu.Unlock()
	if err == nil {
		err = j.db.wait(r)
	}
	if err != nil {
		j.giveBack(batch)
	}
	return err
}

// giveBack has events wait again that were not written, unless newer ones have
// taken their places.
func (j *Journal) giveBack(batch map[status.Place]storedEvent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dropTaken(batch)
	maps.Copy(j.pending, batch)
}

// dropTaken removes the events whose place a newer one has taken since. It
// needs j.mu.
func (j *Journal) dropTaken(batch map[status.Place]storedEvent) {
	maps.DeleteFunc(batch, func(at status.Place, e storedEvent) bool { return j.history.At(at) != e.Event })
}

func sealEvents(aead cipher.AEAD, places map[status.Place]storedEvent) map[status.Place]put {
	sealed := make(map[status.Place]put, len(places))
	for at, e := range places {
		value, err := json.Marshal(e)
		if err != nil { // a year beyond 9999: no clock says so
			value = []byte("{}")
		}
		sealed[at] = put{eventBucket, key(at), seal(aead, eventBucket, key(at), value)}
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
