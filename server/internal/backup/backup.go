// Package backup is the file that `drawbridge backup` writes: what a person
// configured, and the state as it is sealed on the disk. It asks no keychain, and
// trusts nothing of a file that it reads. Start at [Write], [Read] and [Stage].
package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
)

// What can be wrong with a file.
var (
	ErrDamaged    = errors.New("the file is damaged, or no backup of Drawbridge's")
	ErrNewer      = errors.New("the backup was made by a newer version of Drawbridge")
	ErrPassphrase = errors.New("this is not the passphrase of the backup")
)

// The members of a backup, a tar compressed by gzip: about comes first, others
// are there or not. With a passphrase all of it is an age file (age-encryption.org/v1).
const (
	about   = "backup.json"
	Config  = "config.toml"
	Servers = "mcp.json"
	Names   = "secret-names.json" // of secrets that were set
	State   = "state.db"
	dataKey = "data-key" // only in an age file

	format    = 1
	ageHeader = "age-encryption.org/v1\n"
)

// workFactor is age's own for scrypt: 2^18, a quarter of a gigabyte for a second.
// A file that wants more is not opened.
var workFactor = 18

// limits are the members, and how large each may be in bytes.
var limits = map[string]int64{about: 4 << 10, Config: 1 << 20, Servers: 1 << 20, Names: 1 << 20, dataKey: 1 << 10, State: 1 << 30}

// About is what a backup says of itself.
type About struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of Drawbridge
	Time    time.Time `json:"time"`
	DataKey string    `json:"-"` // "" if it is not in it
}

// Write writes a backup of files, which are paths by member; what is not there is
// left out. With a passphrase it is sealed, and a.DataKey is in it.
func Write(to io.Writer, a About, files map[string]string, passphrase string) error {
	a.Format = format
	var closers []io.Closer
	if passphrase != "" {
		recipient, err := age.NewScryptRecipient(passphrase)
		if err != nil {
			return err
		}
		recipient.SetWorkFactor(workFactor)
		sealed, err := age.Encrypt(to, recipient)
		if err != nil {
			return err
		}
		to, closers = sealed, append(closers, sealed)
	}
	packed := gzip.NewWriter(to)
	archive := tar.NewWriter(packed)
	closers = append(closers, packed, archive)
	add := func(name string, data []byte) error {
		if int64(len(data)) > limits[name] {
			return fmt.Errorf("%s is larger than the %d bytes that a backup takes", name, limits[name])
		}
		err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600, ModTime: a.Time})
		if err == nil {
			_, err = archive.Write(data)
		}
		return err
	}
	text, err := json.Marshal(a)
	if err == nil {
		err = add(about, text)
	}
	any := false // of the two without which it is no backup
	for _, name := range []string{Config, Servers, Names, State} {
		data, readErr := os.ReadFile(files[name])
		switch {
		case err != nil:
		case readErr == nil:
			any = any || name == Config || name == State
			err = add(name, data)
		case files[name] != "" && !errors.Is(readErr, os.ErrNotExist):
			err = readErr
		}
	}
	if err == nil && !any {
		err = errors.New("there is neither a configuration nor a state to save")
	}
	if err == nil && passphrase != "" && a.DataKey != "" {
		err = add(dataKey, []byte(a.DataKey))
	}
	for i := len(closers) - 1; i >= 0 && err == nil; i-- {
		err = closers[i].Close()
	}
	return err
}

// Read unpacks a backup into dir, which is empty; the data key it returns, and
// writes nowhere. passphrase is asked only for a sealed one. The errors are
// [ErrDamaged], [ErrNewer], [ErrPassphrase], passphrase's or the system's.
func Read(from io.Reader, dir string, passphrase func() (string, error)) (a About, err error) {
	file := bufio.NewReader(from)
	from = file
	sealed := false
	if head, _ := file.Peek(len(ageHeader)); string(head) == ageHeader {
		if from, err = open(file, passphrase); err != nil {
			return a, err
		}
		sealed = true
	}
	packed, err := gzip.NewReader(from)
	if err != nil {
		return a, damaged(err)
	}
	archive, seen := tar.NewReader(packed), map[string]bool{}
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return a, damaged(err)
		}
		// A name that is not one of ours leads nowhere, since it is not taken.
		if limit, ours := limits[h.Name]; h.Typeflag != tar.TypeReg || !ours || seen[h.Name] || h.Size > limit || (h.Name == about) != (len(seen) == 0) || h.Name == dataKey && !sealed {
			return a, damaged(fmt.Errorf("it holds %.40q, of %d bytes", h.Name, h.Size))
		}
		seen[h.Name] = true
		if err := a.take(h.Name, archive, dir); err != nil {
			return a, err
		}
	}
	n, err := io.Copy(io.Discard, io.LimitReader(packed, 1<<20)) // the sum of all stands at its end
	if err != nil || n == 1<<20 || !seen[Config] && !seen[State] {
		return a, damaged(err)
	}
	return a, nil
}

func open(file io.Reader, passphrase func() (string, error)) (io.Reader, error) {
	text, err := passphrase()
	if err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(text)
	if err != nil {
		return nil, ErrPassphrase
	}
	identity.SetMaxWorkFactor(workFactor)
	r, err := age.Decrypt(file, identity)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, damaged(err)
	}
	return r, nil
}

// take takes one member.
func (a *About) take(name string, r io.Reader, dir string) error {
	if name == about || name == dataKey {
		data, err := io.ReadAll(r)
		if name == dataKey {
			a.DataKey = strings.TrimSpace(string(data))
		} else if err == nil {
			err = json.NewDecoder(bytes.NewReader(data)).Decode(a)
		}
		switch {
		case err != nil || a.Format < 1:
			return damaged(err)
		case a.Format > format:
			return ErrNewer
		}
		return nil
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	var system *os.PathError
	if closed := f.Close(); err == nil {
		err = closed
	} else if !errors.As(err, &system) {
		err = damaged(err)
	}
	return err
}

func damaged(cause error) error { return fmt.Errorf("%w (%v)", ErrDamaged, cause) }
