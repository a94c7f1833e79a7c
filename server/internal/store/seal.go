package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

const (
	// recordVersion is a sealed record's first byte. Then come the nonce, 12
	// bytes, and what AES-256-GCM made of the value, 16 bytes longer than it.
	recordVersion = 1
	nonceSize     = 12
	tagSize       = 16

	keySize   = 32 // of the data key and of the sealing key, in bytes
	sealLabel = "drawbridge store: records, AES-256-GCM, v1"
	checkText = "drawbridge"
)

// newAEAD derives the sealing key: the data key itself serves other ends too.
func newAEAD(dataKey []byte) (cipher.AEAD, error) {
	if len(dataKey) != keySize {
		return nil, fmt.Errorf("the data key has %d bytes, it must have %d", len(dataKey), keySize)
	}
	key, err := hkdf.Key(sha256.New, dataKey, nil, sealLabel, keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal returns value as a record that opens under bucket and key only. Random
// nonces are safe for 2^32 records under one key (NIST SP 800-38D §8.3): a
// hundred a minute for eighty years.
func seal(aead cipher.AEAD, bucket, key string, value []byte) []byte {
	record := make([]byte, 1+nonceSize, 1+nonceSize+len(value)+tagSize)
	record[0] = recordVersion
	rand.Read(record[1:]) // never fails: crypto/rand ends the process instead
	return aead.Seal(record, record[1:], value, place(bucket, key))
}

// open returns the value of a record, or an error if any bit of it, its bucket
// or its key differs from when it was sealed.
func open(aead cipher.AEAD, bucket, key string, record []byte) ([]byte, error) {
	if len(record) < 1+nonceSize+tagSize || record[0] != recordVersion {
		return nil, errors.New("it is no sealed record")
	}
	return aead.Open(nil, record[1:1+nonceSize], record[1+nonceSize:], place(bucket, key))
}

// place is the associated data of a record. No bucket's name holds a zero byte.
func place(bucket, key string) []byte {
	return []byte(bucket + "\x00" + key)
}

// Empty reports whether the file holds no sealed record yet, so that a new
// data key may be made for it. It needs no key.
func (db *DB) Empty() (bool, error) {
	empty := true
	err := db.view(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if string(name) == metaBucket {
				empty = empty && b.Get([]byte(checkKey)) == nil
			} else if k, _ := b.Cursor().First(); k != nil {
				empty = false
			}
			return nil
		})
	})
	return empty && err == nil, err
}

// Unseal makes the records readable with the data key, 32 bytes. An empty file
// takes the key for its own; in any other, a key that is not its own gives
// [ErrWrongKey].
func (db *DB) Unseal(dataKey []byte) error {
	aead, err := newAEAD(dataKey)
	if err != nil {
		return err
	}
	empty, err := db.Empty()
	if err != nil {
		return err
	}
	var check []byte
	err = db.view(func(tx *bbolt.Tx) error {
		check = append(check, tx.Bucket([]byte(metaBucket)).Get([]byte(checkKey))...)
		return nil
	})
	switch {
	case err != nil:
		return err
	case empty:
		sealed := seal(aead, metaBucket, checkKey, []byte(checkText))
		if err := db.commit([]put{{metaBucket, checkKey, sealed}}); err != nil {
			return err
		}
	case check == nil:
		return db.damaged(errors.New("it has lost its check record"))
	default:
		if text, err := open(aead, metaBucket, checkKey, check); err != nil || string(text) != checkText {
			return fmt.Errorf("%w %s. Put the old key back in the keychain, or move the file away to start afresh: then everybody has to sign in again",
				ErrWrongKey, db.path)
		}
	}
	db.setAEAD(aead)
	return nil
}

func (db *DB) setAEAD(aead cipher.AEAD) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.aead = aead
}

// view reads the file, unless it is closed or broken.
func (db *DB) view(fn func(*bbolt.Tx) error) error {
	if _, err := db.state(); err != nil && !errors.Is(err, ErrSealed) {
		return err
	}
	return db.guard(func() error { return db.bolt.View(fn) })
}

// Rekey seals every record anew, under another data key. It is all or nothing:
// after an error, or a kill, the file opens with the old key.
func (db *DB) Rekey(dataKey []byte) error {
	now, err := db.state()
	if err != nil {
		return err
	}
	next, err := newAEAD(dataKey)
	if err != nil {
		return err
	}
	db.turn <- struct{}{}
	defer func() { <-db.turn }()
	db.setAEAD(next)
	db.refuseQueue(ErrSealed) // sealed under the old key
	err = db.update(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return reseal(b, string(name), now, next) })
	})
	if err != nil {
		db.setAEAD(now)
		db.refuseQueue(ErrSealed) // sealed under the new one
	}
	return err
}

// reseal does so with one bucket.
func reseal(b *bbolt.Bucket, bucket string, now, next cipher.AEAD) error {
	var puts []put
	err := b.ForEach(func(k, record []byte) error {
		if bucket == metaBucket && string(k) == formatKey {
			return nil
		}
		value, err := open(now, bucket, string(k), record)
		if err != nil {
			return fmt.Errorf("a record of %s does not open", bucket)
		}
		puts = append(puts, put{bucket, string(k), seal(next, bucket, string(k), value)})
		return nil
	})
	for _, p := range puts { // a bucket must not change while it is walked
		if err == nil {
			err = b.Put([]byte(p.key), p.record)
		}
	}
	return err
}
