package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/drawbridge-app/drawbridge/server/config"
)

const (
	ready = "restore"    // in the data folder: what is to be put in place, whole
	parts = ".restore-*" // the same, not whole yet
	where = "place.json" // beside the members: the path of config.toml
)

// Stage makes an empty folder in the data folder for [Read]. What earlier ones
// left goes away; [Finish] has been called.
func Stage(data string) (dir string, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", err
	}
	old, _ := filepath.Glob(filepath.Join(data, parts))
	for _, dir := range append(old, filepath.Join(data, ready)) {
		_ = os.RemoveAll(dir)
	}
	return os.MkdirTemp(data, parts)
}

// Commit has what is in dir, which [Stage] made, take the place of what is there:
// until it has renamed one folder the old is untouched, from then on [Finish]
// brings the new, at the next start if this process is ended first.
func Commit(dir, data, configFile string) error {
	text, err := json.Marshal(configFile)
	if err == nil {
		err = config.WriteFile(filepath.Join(dir, where), text)
	}
	if err == nil {
		err = os.Rename(dir, filepath.Join(data, ready))
	}
	if err != nil {
		return err
	}
	return Finish(data)
}

// Finish puts in place what a restore was about to when it was cut short. It does
// nothing where there is nothing to do, and may be called again.
func Finish(data string) error {
	dir := filepath.Join(data, ready)
	text, err := os.ReadFile(filepath.Join(dir, where))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var configFile string
	if err == nil {
		err = json.Unmarshal(text, &configFile)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	for name, path := range Places(configFile, data) {
		from := filepath.Join(dir, name)
		if name == State {
			err = os.Rename(from, path)
		} else if text, err = os.ReadFile(from); err == nil { // perhaps on another disk
			if err = config.WriteFile(path, text); err == nil && name != Servers {
				err = os.Remove(from)
			}
		} else if name == Servers && errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(path) // servers that the backup does not mount
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put %s in place: %w", path, err)
		}
	}
	// Without where it stands in nobody's way.
	if err := os.Remove(filepath.Join(dir, where)); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// Places are the paths of the members.
func Places(configFile, data string) map[string]string {
	return map[string]string{Config: configFile, Servers: config.ServersPath(configFile), Names: filepath.Join(data, Names), State: filepath.Join(data, State)}
}
