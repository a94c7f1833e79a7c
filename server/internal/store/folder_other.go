//go:build !windows

package store

import "os"

// MakeFolder makes the folder at path, for this person alone, if there is none.
func MakeFolder(path string) error { return os.MkdirAll(path, 0o700) }
