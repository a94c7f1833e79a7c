package rig

import (
	"os"
	"path/filepath"
	"testing"
)

// NeedPython returns the Python with the packages of python/NAME.txt.
func NeedPython(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("venv", name, "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		Missing(t, "server/e2e/venv/"+name)
	}
	return path
}
