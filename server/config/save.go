package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Save checks c and writes it to path: whole or not at all, readable by its
// owner alone, in a folder made for it if there is none. A file that is there
// is changed only where c says something else, and keeps its comments; in a new
// one, values that are as by default are left out. A link at path stays a link.
func Save(path string, c Config) error {
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

// Stage does all of [Save] that can fail for want of space, of a right or of a
// good value, so that whoever has more to do than write a file can do it before
// the file counts.
func Stage(path string, c Config) (*Draft, error) {
	c.normalise()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("save the configuration: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) > maxSize {
		text = nil
	}
	sweep(filepath.Dir(path))
	temp, err := stage(path, write(text, c))
	if err != nil {
		return nil, fmt.Errorf("save the configuration: %w", err)
	}
	return &Draft{path, temp}, nil
}

// Commit puts the draft in its place. Whoever reads there, and a crash, sees
// the old file or the new one.
func (d *Draft) Commit() error {
	if err := os.Rename(d.temp, d.path); err != nil {
		d.Discard()
		return fmt.Errorf("save the configuration: %w", err)
	}
	syncFolder(filepath.Dir(d.path))
	return nil
}

// Discard takes the draft away.
func (d *Draft) Discard() { _ = os.Remove(d.temp) }

// WriteFile puts data into the file at path: whole or not at all, readable by
// its owner alone, in a folder made for it if there is none. A link at path
// stays a link.
func WriteFile(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replace(path, data)
}

// replace puts data in the place of path. Whoever reads path, and a crash,
// sees the old file or the new one.
func replace(path string, data []byte) error {
	sweep(filepath.Dir(path))
	temp, err := stage(path, data)
	if err != nil {
		return err
	}
	return (&Draft{path, temp}).Commit()
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

// stage writes data beside path and returns where.
func stage(path string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), drafts) // mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return "", err
	}
	if err = f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// syncFolder makes a rename last. Windows can't; elsewhere a file system that
// refuses has still the whole file.
func syncFolder(path string) {
	if runtime.GOOS == "windows" {
		return
	}
	if d, err := os.Open(path); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
