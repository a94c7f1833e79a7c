package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Open opens the file at path, which only the person running Drawbridge can
// read, and creates it and its folder if there is none. It holds the file's
// lock until Close. The errors are [ErrInUse], [ErrDamaged], [ErrNewer], or
// the system's; none of them leaves the file changed.
func Open(path string) (*DB, error) {
	if err := MakeFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	db := &DB{path: path, turn: make(chan struct{}, 1)}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = create(path)
	case err == nil && info.Size() == 0: // bbolt would take it for a new one
		return nil, db.damaged(errors.New("it holds nothing"))
	case err == nil && info.Mode().Perm()&0o077 != 0:
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("open the state file: %w", err)
	}
	if err := db.inspect(); err != nil {
		return nil, err
	}
	err = db.guard(func() error {
		db.bolt, err = bbolt.Open(path, 0o600, options(false))
		return err
	})
	if err != nil {
		return nil, db.openError(err)
	}
	return db, nil
}

func options(readOnly bool) *bbolt.Options {
	return &bbolt.Options{
		Timeout:      lockTimeout,
		ReadOnly:     readOnly,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
	}
}

// create makes the file under another name and then links it in place, so that
// a file cut to nothing is never taken for a new one, and of two instances that
// start at once one finds the other's file.
func create(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-state-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	tmp.Close()
	b, err := bbolt.Open(tmp.Name(), 0o600, options(false))
	if err != nil {
		return err
	}
	err = b.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket([]byte(metaBucket))
		if err != nil {
			return err
		}
		return meta.Put([]byte(formatKey), []byte{format})
	})
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(tmp.Name(), path); err != nil { // a file system without links
			return err
		}
	}
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir makes a new name last through a power cut, on the systems where a
// folder can be synced.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// inspect looks at the whole file, read-only, before bbolt trusts it: bbolt
// follows what stands in the pages, and a wrong number there is a crash, or a
// bucket that silently seems empty.
func (db *DB) inspect() error {
	var ro *bbolt.DB
	err := db.guard(func() (err error) {
		ro, err = bbolt.Open(db.path, 0o600, options(true))
		return err
	})
	if err != nil {
		return db.openError(err)
	}
	defer ro.Close()
	f, err := os.Open(db.path)
	if err != nil {
		return db.openError(err)
	}
	defer f.Close()
	if err := checkPages(f, ro.Info().PageSize); err != nil {
		return db.openError(err)
	}
	var version []byte
	err = db.guard(func() error {
		return ro.View(func(tx *bbolt.Tx) error {
			if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
				version = append(version, meta.Get([]byte(formatKey))...)
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return err
	case len(version) != 1 || version[0] == 0:
		return db.damaged(errors.New("it names no format version"))
	case version[0] > format:
		return db.newer()
	}
	return nil
}

// openError turns what bbolt or the system said into what a person can use.
func (db *DB) openError(err error) error {
	var system *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w (%s is locked). Use that one, stop it, or choose another folder with --data", ErrInUse, db.path)
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		return db.newer()
	case errors.Is(err, ErrDamaged):
		return err
	case errors.As(err, &system):
		return fmt.Errorf("open the state file: %w", err)
	}
	return db.damaged(err)
}

func (db *DB) newer() error {
	return fmt.Errorf("%w (%s). Update Drawbridge, or choose another folder with --data", ErrNewer, db.path)
}

func (db *DB) damaged(cause error) error {
	return fmt.Errorf("%w: %s (%v). Put back a copy of it, or move it away to start afresh: then everybody has to sign in again",
		ErrDamaged, db.path, cause)
}
