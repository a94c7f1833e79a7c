// Package store keeps what lasts: one bbolt file, each record sealed with
// AES-256-GCM under a key derived from the data key. It knows nothing of what
// the records mean, and never starts empty in place of a file it can't read.
// Start at [Open], then [DB.Unseal]; [Journal] adds the history of events.
package store

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// What can be wrong with the file. Each comes wrapped in a sentence that names
// the file and says what to do.
var (
	ErrInUse    = errors.New("another Drawbridge is using this data folder")
	ErrDamaged  = errors.New("the state file is damaged")
	ErrNewer    = errors.New("the state file was written by a newer version of Drawbridge")
	ErrWrongKey = errors.New("the data key does not open the state file")
	// ErrSealed means that [DB.Unseal] has not been called, or a Rekey came since.
	ErrSealed = errors.New("the state file is sealed")
	// ErrClosed means that [DB.Close] has been called.
	ErrClosed = errors.New("the state file is closed")
)

const (
	// format is the version of the file's layout: buckets, and how a record
	// is sealed. A change that older versions can't read raises it.
	format = 1

	metaBucket = "meta"   // "format" in clear; "check" sealed
	formatKey  = "format" // one byte
	checkKey   = "check"

	// lockTimeout is how long Open waits for another instance to let go.
	lockTimeout = time.Second
)

// DB is the open file. Its methods may be called at once from anywhere.
type DB struct {
	path string
	bolt *bbolt.DB
	turn chan struct{} // holds a token while somebody writes

	mu     sync.Mutex // guards all below
	aead   cipher.AEAD
	queue  []*request // to be written by whoever has the turn
	broken error      // why nothing can be read or written any more
}

// guard runs fn, which reads or writes the mapped file. A fault (the file was
// cut, the disk can't read a page) or a failed assertion of bbolt becomes
// [ErrDamaged] instead of the end of the process. bbolt's locks may then still
// be held, so nothing is tried again.
func (db *DB) guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = db.damaged(fmt.Errorf("%v", p))
			db.mu.Lock()
			db.broken = err
			db.mu.Unlock()
		}
	}()
	return fn()
}

// state returns the sealing key, or why the file can't be used.
func (db *DB) state() (cipher.AEAD, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.broken != nil:
		return nil, db.broken
	case db.aead == nil:
		return nil, ErrSealed
	}
	return db.aead, nil
}

// Close waits for the write in progress, refuses those that wait, and lets go
// of the file. A second Close does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	was := db.broken
	if was == nil {
		db.broken = ErrClosed
	}
	db.mu.Unlock()
	if was != nil { // closed, or bbolt's locks can't be trusted: the process's end frees the file
		return nil
	}
	db.turn <- struct{}{} // never given back
	db.refuseQueue(ErrClosed)
	return db.bolt.Close()
}
