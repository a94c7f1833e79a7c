package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
)

// Binary is the real program, with the race detector if the tests have it. It is
// built into out/bin, which all packages share: go build does nothing where the
// file is still good.
var Binary = sync.OnceValues(func() (string, error) { return build(raced()) })

// PlainBinary is the program as people have it, for tests that measure it: the
// race detector multiplies memory.
var PlainBinary = sync.OnceValues(func() (string, error) { return build(false) })

func build(race bool) (string, error) {
	name, args := "drawbridge", []string{"build"}
	if race {
		name, args = "drawbridge-race", append(args, "-race")
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	path, err := filepath.Abs(filepath.Join("out", "bin", name))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := exec.Command("go", append(args, "-o", path, ".")...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
}

// raced reports whether the tests run with the race detector.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			return true
		}
	}
	return false
}
