package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// A file that another program holds for a moment, as a virus scanner does, is
// saved once it lets go.
func TestSaveWhileHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcp.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	held, err := windows.CreateFile(name, windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, 0, 0) // shared with nobody
	if err != nil {
		t.Fatal(err)
	}
	if os.Rename(path, path+"x") == nil {
		t.Fatal("it is not held")
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = windows.CloseHandle(held) })
	if err := config.WriteFile(path, []byte("new")); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
}
