package store

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Load calls fn for each record of bucket, in the order of keys. A record that
// doesn't open is [ErrDamaged]; an error of fn ends it and is returned. fn may
// keep value, and must not save.
//
// Large buckets are read, not mapped: what is mapped stays in memory.
func (db *DB) Load(bucket string, fn func(key string, value []byte) error) error {
	aead, err := db.state()
	if err != nil {
		return err
	}
	var failed error // not the walk
	each := func(key, record []byte) error {
		value, err := open(aead, bucket, string(key), record)
		if err == nil {
			failed = fn(string(key), value)
		} else {
			failed = db.damaged(fmt.Errorf("a record of %s does not open", bucket))
		}
		return failed
	}
	return db.view(func(tx *bbolt.Tx) error { // which keeps its pages from being written anew
		b := tx.Bucket([]byte(bucket))
		switch {
		case b == nil:
			return nil
		case b.Root() == 0: // it stands in the page of its parent
			return b.ForEach(each)
		}
		f, err := os.Open(db.path)
		if err != nil {
			return err
		}
		defer f.Close()
		size := uint64(db.bolt.Info().PageSize)
		n := uint64(tx.Size()) / size
		p := &pages{f: f, size: size, n: n, seen: make([]bool, n), each: each}
		if err := p.walk(uint64(b.Root()), nil, nil); err != nil && failed == nil {
			return db.damaged(err)
		}
		return failed
	})
}

// Copy puts the file as it is at one moment, sealed as ever, beside itself and
// returns its path. The caller takes it away; a start of Drawbridge does if not.
func (db *DB) Copy() (path string, err error) {
	f, err := os.CreateTemp(filepath.Dir(db.path), ".drawbridge-*.tmp") // see config.WriteFile
	if err != nil {
		return "", err
	}
	err = db.view(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err = cmp.Or(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("copy the state file: %w", err)
	}
	return f.Name(), nil
}
