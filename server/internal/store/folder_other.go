//go:build !windows

package store

import "os"

// makeFolder makes the folder at path, for this person alone, if there is none.
func makeFolder(path string) error { return os.MkdirAll(path, 0o700) }
