package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

const (
	ready = ".restore"      // in the data folder: what is to be put in place, whole
	parts = ".restore-*"    // the same, not whole yet
	turn  = ".restore.lock" // who holds it puts it in place
	where = "place.json"    // beside the members: a plan
)

// plan is what is to be done with each member. It says so itself: a member that
// is not in the folder may have been put in place before.
type plan struct {
	Config      string // its path
	Put, Remove []string
}

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

// Commit has what is in dir, which [Stage] made, take the place of what is there,
// but for the members to keep: until it has renamed one folder the old is
// untouched, from then on [Finish] brings the new, at the next start if this
// process is ended first.
func Commit(dir, data, configFile string, keep ...string) error {
	p := plan{Config: configFile}
	for name := range Places(configFile, data) {
		if slices.Contains(keep, name) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			p.Put = append(p.Put, name)
		} else {
			p.Remove = append(p.Remove, name)
		}
	}
	text, err := json.Marshal(p)
	if err == nil {
		err = config.WriteFile(filepath.Join(dir, where), text)
	}
	if err == nil {
		err = os.Rename(dir, filepath.Join(data, ready))
	}
	if err != nil {
		return err
	}
	config.SyncFolder(data)
	return Finish(data)
}

// Finish puts in place what a restore was about to when it was cut short. It does
// nothing where there is nothing to do, and may be called again, also at once.
func Finish(data string) error {
	old, _ := filepath.Glob(filepath.Join(data, parts))
	for _, dir := range old { // of a restore that was ended; a young one may go on
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
	dir := filepath.Join(data, ready)
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return nil
	}
	unlock, err := lock(filepath.Join(data, turn))
	if err != nil {
		return err
	}
	defer unlock()
	text, err := os.ReadFile(filepath.Join(dir, where))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var p plan
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	places := Places(p.Config, data)
	for _, name := range p.Put {
		from := filepath.Join(dir, name)
		if name == State {
			err = os.Rename(from, places[name])
		} else if text, err = os.ReadFile(from); err == nil { // perhaps on another disk
			if err = config.WriteFile(places[name], text); err == nil {
				err = os.Remove(from)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put %s in place: %w", places[name], err)
		}
	}
	for _, name := range p.Remove { // the backup has none
		if err := os.Remove(places[name]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	config.SyncFolder(data)
	// Without where it stands in nobody's way.
	if err := os.Remove(filepath.Join(dir, where)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

// Places are the paths of the members.
func Places(configFile, data string) map[string]string {
	return map[string]string{Config: configFile, Servers: config.ServersPath(configFile), Names: filepath.Join(data, Names), State: filepath.Join(data, State)}
}
