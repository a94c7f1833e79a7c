package store

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// put is one sealed record to write, or to delete if record is nil.
type put struct {
	bucket, key string
	record      []byte
}

// request is what one caller wants written, all or nothing.
type request struct {
	puts []put
	done chan error // holds the answer
}

// Save writes all changes, or none, and returns once they are on disk. Callers
// that come while another's write is under way share the next one.
func (db *DB) Save(changes []oauth.Change) error {
	aead, err := db.state()
	if err != nil {
		return err
	}
	puts, err := sealAll(aead, changes)
	if err != nil {
		return err
	}
	r, err := db.enqueue(aead, puts)
	if err != nil {
		return err
	}
	return db.wait(r)
}

// sealAll also refuses what bbolt would: a request that fails by itself must
// not take others with it.
func sealAll(aead cipher.AEAD, changes []oauth.Change) ([]put, error) {
	puts := make([]put, len(changes))
	for i, c := range changes {
		if c.Bucket == "" || c.Bucket == metaBucket || strings.Contains(c.Bucket, "\x00") ||
			c.Key == "" || len(c.Key) > bbolt.MaxKeySize {
			return nil, fmt.Errorf("save: no record can have the bucket %.20q and a key of %d bytes", c.Bucket, len(c.Key))
		}
		puts[i] = put{bucket: c.Bucket, key: c.Key}
		if c.Value != nil {
			puts[i].record = seal(aead, c.Bucket, c.Key, c.Value)
		}
	}
	return puts, nil
}

// enqueue puts a request in line. Requests are written in the order of the
// calls. The puts were sealed by aead.
func (db *DB) enqueue(aead cipher.AEAD, puts []put) (*request, error) {
	r := &request{puts: puts, done: make(chan error, 1)}
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.broken != nil:
		return nil, db.broken
	case db.aead != aead: // a Rekey came since
		return nil, ErrSealed
	}
	db.queue = append(db.queue, r)
	return r, nil
}

// wait returns r's answer. If nobody is writing, it writes what is in line
// itself, r with it.
func (db *DB) wait(r *request) error {
	select {
	case err := <-r.done:
		return err
	case db.turn <- struct{}{}:
	}
	defer func() { <-db.turn }()
	db.mu.Lock()
	queue := db.queue
	db.queue = nil
	db.mu.Unlock()
	if len(queue) > 0 {
		var puts []put
		for _, q := range queue {
			puts = append(puts, q.puts...)
		}
		err := db.commit(puts)
		for _, q := range queue {
			q.done <- err
		}
	}
	return <-r.done
}

// refuseQueue answers all requests in line with err.
func (db *DB) refuseQueue(err error) {
	db.mu.Lock()
	queue := db.queue
	db.queue = nil
	db.mu.Unlock()
	for _, r := range queue {
		r.done <- err
	}
}

// commit writes puts in one transaction, synced to disk.
func (db *DB) commit(puts []put) error {
	return db.update(func(tx *bbolt.Tx) error {
		for _, p := range puts {
			b, err := tx.CreateBucketIfNotExists([]byte(p.bucket))
			if err != nil {
				return err
			}
			if p.record == nil {
				err = b.Delete([]byte(p.key))
			} else {
				err = b.Put([]byte(p.key), p.record)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// update changes the file. After an error nothing has changed, and a later
// try may work.
func (db *DB) update(fn func(*bbolt.Tx) error) error {
	err := db.guard(func() error { return db.bolt.Update(fn) })
	switch {
	case err == nil || errors.Is(err, ErrDamaged):
		return err
	case diskFull(err):
		return fmt.Errorf("save to %s: the disk is full, nothing was saved. Make room on it and try again (%w)", db.path, err)
	}
	return fmt.Errorf("save to %s: nothing was saved (%w)", db.path, err)
}

// diskFull also looks at the text: bbolt doesn't wrap the error of growing the
// file.
func diskFull(err error) bool {
	const windowsDiskFull = syscall.Errno(112) // ERROR_DISK_FULL
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT, windowsDiskFull} {
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}
