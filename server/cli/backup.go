package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	archive "github.com/drawbridge-app/drawbridge/server/internal/backup"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/setup"
)

// backup writes one file with the configuration and the state.
type backup struct {
	File       string `arg:"" type:"path"`
	Passphrase bool
	Replace    bool
}

// minPassphrase is in characters: it is all that stands before the data key.
const minPassphrase = 12

func (c backup) Run(a *app) error {
	if info, err := os.Stat(c.File); err == nil && (!c.Replace || !info.Mode().IsRegular()) {
		return failure("cli.backup.exists", c.File)
	}
	if a.owns(c.File) {
		return failure("cli.backup.own", c.File)
	}
	about := archive.About{Version: a.version, Time: time.Now().UTC().Truncate(time.Second)}
	files := archive.Places(a.config, a.data)
	var err error
	if files[archive.State], err = a.copyState(files[archive.State]); err != nil {
		return err
	}
	defer os.Remove(files[archive.State])
	passphrase := ""
	if c.Passphrase {
		if passphrase, err = a.newPassphrase(); err != nil {
			return err
		}
		about.DataKey, err = keystore.Text(a.ctx, a.secrets, keystore.DataKey)
		if err == nil && files[archive.State] != "" {
			err = opens(files[archive.State], about.DataKey)
		}
		if err != nil {
			return err
		}
	}
	var file bytes.Buffer
	err = archive.Write(&file, about, files, passphrase)
	if err == nil {
		err = config.WriteFile(c.File, file.Bytes())
	}
	if err != nil {
		return failure("cli.backup.failed", c.File, err)
	}
	key := "cli.backup.done"
	if c.Passphrase {
		key = "cli.backup.done.key"
	}
	a.say(key, c.File)
	a.say("cli.backup.without")
	if !c.Passphrase {
		a.say("cli.backup.clear")
	}
	return a.out.err
}

// owns reports whether a file is one that a backup is made of, or is in the data
// folder.
func (a *app) owns(path string) bool {
	same := func(x, y string) bool {
		one, err := os.Stat(x)
		other, err2 := os.Stat(y)
		return err == nil && err2 == nil && os.SameFile(one, other)
	}
	for _, own := range archive.Places(a.config, a.data) {
		if same(path, own) {
			return true
		}
	}
	dir := filepath.Dir(path)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for ; !same(dir, a.data); dir = filepath.Dir(dir) {
		if dir == filepath.Dir(dir) {
			return false
		}
	}
	return true
}

// copyState copies the state file, by the running instance if there is one; ""
// where there is no state yet.
func (a *app) copyState(path string) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	db, err := store.Open(path)
	if errors.Is(err, store.ErrInUse) {
		return ask(a, (*control.Client).CopyState)
	}
	if err != nil {
		return "", err
	}
	defer db.Close()
	return db.Copy()
}

func (a *app) newPassphrase() (string, error) {
	first, err := a.readSecret(a.out.texts.Say("cli.backup.passphrase"))
	again := first
	if err == nil && setup.TerminalOf(a.in, a.out) != nil {
		again, err = a.readSecret(a.out.texts.Say("cli.backup.passphrase.again"))
	}
	switch {
	case err != nil:
		return "", err
	case len([]rune(first)) < minPassphrase:
		return "", failure("cli.backup.short", minPassphrase)
	case first != again:
		return "", failure("cli.backup.differ")
	}
	return first, nil
}

// opens reports whether a data key is that of a state file, which nobody uses.
func opens(path, dataKey string) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(dataKey))
	if err != nil {
		return store.ErrWrongKey
	}
	db, err := store.Open(path)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Unseal(key)
}

// restore puts back what backup wrote.
type restore struct {
	File       string `arg:"" type:"path"`
	ConfigOnly bool
	Replace    bool
}

func (c restore) Run(a *app) error {
	places := archive.Places(a.config, a.data)
	there := []string{}
	for name, path := range places {
		if _, err := os.Lstat(path); err == nil && !(c.ConfigOnly && (name == archive.State || name == archive.Names)) {
			there = append(there, path)
		}
	}
	if slices.Sort(there); len(there) > 0 && !c.Replace {
		return failure("cli.restore.exists", strings.Join(there, ", "))
	}
	if err := a.idle(places[archive.State]); err != nil {
		return err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return failure("cli.restore.unreadable", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.IsDir() {
		_, err = file.Read(make([]byte, 1)) // the system's word for it
		return failure("cli.restore.unreadable", err)
	}
	if err := store.MakeFolder(a.data); err != nil {
		return err
	}
	dir, err := archive.Stage(a.data)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // if it was not put in place
	about, err := archive.Read(file, dir, func() (string, error) { return a.readSecret(a.out.texts.Say("cli.backup.passphrase")) })
	state := filepath.Join(dir, archive.State)
	promote := func() {}
	var keep []string
	if err == nil {
		err = a.idle(places[archive.State]) // the passphrase took its time
	}
	if c.ConfigOnly {
		keep = []string{archive.State, archive.Names}
	} else if _, none := os.Stat(state); err == nil && none == nil {
		promote, err = a.adopt(state, about.DataKey, c.Replace)
	}
	if err != nil {
		return unusable(c.File, err)
	}
	if err := a.idle(places[archive.State]); err != nil { // one may have started since
		return err
	}
	if err := archive.Commit(dir, a.data, a.config, keep...); err != nil {
		return failure("cli.restore.failed", err)
	}
	promote()
	a.say("cli.restore.done", about.Time.Local().Format(time.DateTime))
	if !c.ConfigOnly {
		a.say("cli.restore.since")
	}
	if _, err := config.Load(a.config); err != nil {
		a.say("cli.restore.config", err)
	}
	for _, missing := range a.missing() {
		a.say("cli.restore.enter", missing)
	}
	a.say("cli.restore.next")
	return a.out.err
}

// unusable is what is wrong with a backup, in words.
func unusable(file string, err error) error {
	for kind, key := range map[error]string{archive.ErrDamaged: "damaged", archive.ErrNewer: "newer", archive.ErrPassphrase: "passphrase",
		store.ErrDamaged: "damaged", store.ErrNewer: "newer"} {
		if errors.Is(err, kind) {
			return failure("cli.restore."+key, file)
		}
	}
	return err
}

// idle returns an error if a Drawbridge uses the state file.
func (a *app) idle(path string) error {
	if client, err := control.Dial(a.data); err == nil {
		client.Close()
		return failure("cli.restore.running")
	}
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	db, err := store.Open(path)
	if errors.Is(err, store.ErrInUse) {
		return failure("cli.restore.running")
	}
	if err != nil {
		return nil // it is about to be replaced
	}
	return db.Close()
}

// adopt sees to it that the keychain's data key opens a restored state file:
// promote is called once that is in place. Until then it opens the one before,
// so that a restore that is cut short leaves one that works, see server/datakey.go.
func (a *app) adopt(state, theirs string, replace bool) (promote func(), err error) {
	promote = func() {}
	secret, err := a.secrets.Get(a.ctx, keystore.DataKey)
	none := errors.Is(err, keystore.ErrNotFound)
	if err != nil && !none {
		return nil, err
	}
	if !none {
		if err := opens(state, secret.Reveal()); !errors.Is(err, store.ErrWrongKey) {
			return promote, err
		}
	}
	next := keystore.NewSecret(theirs)
	switch {
	case theirs == "" && none:
		return nil, failure("cli.restore.nokey")
	case theirs == "":
		return nil, failure("cli.restore.otherkey")
	case opens(state, theirs) != nil:
		return nil, archive.ErrDamaged
	case none:
		return promote, a.secrets.Set(a.ctx, keystore.DataKey, next)
	case !replace:
		return nil, failure("cli.restore.keythere")
	}
	return func() {
		ctx := context.WithoutCancel(a.ctx)
		if a.secrets.Set(ctx, keystore.DataKey, next) == nil { // else the next start does
			_ = a.secrets.Delete(ctx, keystore.NextDataKey)
		}
	}, a.secrets.Set(a.ctx, keystore.NextDataKey, next)
}

// missing says which secrets are not in the keychain, and how each gets there.
func (a *app) missing() (all []string) {
	cfg, _ := config.Load(a.config)
	say := a.out.texts.Say
	add := func(account, how string) {
		if _, err := a.secrets.Get(a.ctx, account); err == nil {
			return
		}
		if name := keystore.EnvVar(account); keystore.IsReadOnly(a.secrets) {
			how = name
		}
		all = append(all, how)
	}
	add(keystore.IDPClientSecret, say("cli.restore.secret.client"))
	if cfg.TunnelProvider(true) == config.TunnelNgrok {
		add(keystore.NgrokAuthtoken, say("cli.restore.secret.ngrok"))
	}
	if proxy, err := url.Parse(cfg.Network.Proxy); err == nil && proxy.User != nil {
		add(keystore.ProxyPassword, say("cli.restore.secret.proxy"))
	}
	servers, _ := a.mounted()
	for _, s := range servers {
		for _, name := range config.Secrets(s) {
			n := secretName{s.Name, name}
			add(n.account(), say("cli.restore.secret.server", n))
		}
	}
	return all
}
