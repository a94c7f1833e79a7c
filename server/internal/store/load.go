package store

import (
	"crypto/cipher"
	"fmt"

	"go.etcd.io/bbolt"
)

// loadChunk is how many records Load reads before it hands them over.
const loadChunk = 1000

// Load calls fn for each record of bucket, in the order of keys. A record that
// doesn't open is [ErrDamaged]; an error of fn ends it and is returned. fn may
// keep value, and may save.
func (db *DB) Load(bucket string, fn func(key string, value []byte) error) error {
	aead, err := db.state()
	if err != nil {
		return err
	}
	for next := ""; ; {
		chunk, err := db.read(bucket, next, loadChunk)
		if err != nil {
			return err
		}
		for _, p := range chunk {
			value, err := open(aead, bucket, p.key, p.record)
			if err != nil {
				return db.damaged(fmt.Errorf("a record of %s does not open", bucket))
			}
			if err := fn(p.key, value); err != nil {
				return err
			}
		}
		if len(chunk) < loadChunk {
			return nil
		}
		next = chunk[len(chunk)-1].key + "\x00"
	}
}

// read returns up to n sealed records of bucket from the key first on.
func (db *DB) read(bucket, first string, n int) (chunk []put, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.Seek([]byte(first)); k != nil && len(chunk) < n; k, v = c.Next() {
			chunk = append(chunk, put{bucket, string(k), append([]byte(nil), v...)})
		}
		return nil
	})
	return chunk, err
}

func (db *DB) setAEAD(aead cipher.AEAD) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.aead = aead
}
