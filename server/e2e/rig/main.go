package rig

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/drawbridge-app/drawbridge/server"
)

// Main is the TestMain of every package of tests here. Tests run in server/e2e
// itself, where the scripts, node_modules and out are. The test binary is also
// the servers of [SmallServer] and [BareEnv], a [Tap] before others, and what
// Drawbridge starts itself as.
func Main(m *testing.M) {
	server.ChildMain()
	if tools, err := strconv.Atoi(os.Getenv(StdioEnv)); err == nil {
		serveStdio(tools)
		return
	}
	if os.Getenv(BareEnv) != "" {
		serveBare()
		return
	}
	if file := os.Getenv(tapEnv); file != "" {
		serveTap(file, os.Args[1:])
		return
	}
	if err := os.Chdir(folder()); err != nil {
		panic(err)
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // else each command lingers for a second
	os.Exit(m.Run())
}

// folder is server/e2e, from any of its folders. go test starts a test in its
// own package's folder.
func folder() string {
	here, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "test.sh")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			panic("test.sh is in no folder above " + here)
		}
	}
}
