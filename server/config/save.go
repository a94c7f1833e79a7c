package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Edit has change alter the configuration of the file at path, and saves it: a
// line that says something else now is changed, added or taken out; every other
// stays as a person wrote it, with comments and order. Where there is no file it
// starts from [Default]. The error is change's, that of a file with mistakes, or
// of a bad value.
func Edit(path string, change func(*Config) error) error {
	editing.Lock()
	defer editing.Unlock()
	c, err := Load(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := change(&c); err != nil {
		return err
	}
	d, err := Stage(path, c)
	if err != nil {
		return err
	}
	return d.Commit()
}

// Draft is a configuration that is written beside its place. One of Commit and
// Discard ends it.
type Draft struct {
	path, temp string
}

// Stage checks c and writes it beside the file at path: whole or not at all,
// readable by its owner alone, in a folder made for it if there is none. A file
// that is there is changed only where c says something else, and keeps its
// comments; in a new one, values that are as by default are left out. A link at
// path stays a link. All that can fail for want of space, of a right or of a good
// value fails here, so that whoever has more to do than write a file can do it
// before the file counts.
func Stage(path string, c Config) (*Draft, error) {
	c.normalise()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	path = linked(path)
	text, err := os.ReadFile(path)
	edited := err == nil && len(text) <= maxSize
	if edited {
		text, edited = overwrite(text, c)
	}
	if !edited {
		text = marshal(c)
	}
	d, err := draft(path, text)
	if err != nil {
		return nil, fmt.Errorf("save the configuration: %w", err)
	}
	return d, nil
}

// linked is where path leads, if it is a link.
func linked(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// Commit puts the draft in its place. Whoever reads there, and a crash, sees
// the old file or the new one.
func (d *Draft) Commit() error {
	err := os.Rename(d.temp, d.path)
	for try := 0; err != nil && runtime.GOOS == "windows" && try < 40; try++ { // another program has it open, for a moment: a virus scanner, an editor
		time.Sleep(25 * time.Millisecond)
		err = os.Rename(d.temp, d.path)
	}
	if err != nil {
		d.Discard()
		return fmt.Errorf("save the configuration: %w", err)
	}
	SyncFolder(filepath.Dir(d.path))
	return nil
}

// Discard takes the draft away.
func (d *Draft) Discard() { _ = os.Remove(d.temp) }

// WriteFile puts data into the file at path: whole or not at all, readable by
// its owner alone, in a folder made for it if there is none. A link at path
// stays a link.
func WriteFile(path string, data []byte) error {
	d, err := draft(linked(path), data)
	if err != nil {
		return err
	}
	return d.Commit()
}

// drafts are the names of files that are written beside their place.
const drafts = ".drawbridge-*.tmp"

// sweep takes away drafts that a process left which ended before it was done.
// One that was touched within the hour may be another's that still writes.
func sweep(folder string) {
	left, _ := filepath.Glob(filepath.Join(folder, drafts))
	for _, name := range left {
		if fi, err := os.Lstat(name); err == nil && fi.Mode().IsRegular() && time.Since(fi.ModTime()) > time.Hour {
			_ = os.Remove(name)
		}
	}
}

// draft writes data beside path.
func draft(path string, data []byte) (*Draft, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	sweep(filepath.Dir(path))
	f, err := os.CreateTemp(filepath.Dir(path), drafts) // mode 0600
	if err != nil {
		return nil, err
	}
	d := &Draft{path, f.Name()}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = cmp.Or(err, f.Close()); err != nil {
		d.Discard()
		return nil, err
	}
	return d, nil
}

// SyncFolder makes a rename last, where the system can; where it can't, there is
// still the whole file.
func SyncFolder(path string) {
	if d, err := os.Open(path); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
