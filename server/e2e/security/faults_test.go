package security

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// witness is what a client knows of its grant: only what it was answered.
type witness struct {
	client  rig.Client
	tokens  rig.Tokens
	asking  bool // a refresh was not answered: the provider may have replaced its token, and we never learned by what
	revoked bool
}

// It handles kill -9 at any moment, five times (200 with DRAWBRIDGE_LONG), under
// a load of sign-ins, refreshes and revocations: each grant that was answered
// works afterwards, with the tokens that were answered last; each revocation
// that was answered stays.
// One thing no care of ours can save: a refresh token that the provider replaced
// in the moment of the kill, if it takes the old one amiss.
func TestSecKilled(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	var mu sync.Mutex // guards witnesses
	var witnesses []*witness
	kills := 5
	if rig.Long() {
		kills = 200
	}
	enough := func() bool {
		live, revoked := 0, 0
		for _, w := range witnesses {
			if w.revoked {
				revoked++
			} else {
				live++
			}
		}
		return live >= 5 && revoked >= 1
	}
	done := 0
	for ; done < kills || (!enough() && done < 10*kills); done++ {
		c := app.Register(t, rig.ClientURI)
		ctx, stop := context.WithCancel(t.Context())
		answers := make(chan struct{}, 10_000)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for ctx.Err() == nil {
					w := &witness{client: c}
					known := false // whether the grant is alive, as far as answers tell
					_ = rig.Softly(t, func(t testing.TB) {
						w.tokens = app.SignIn(t, rig.NewBrowser(t), c, "alice")
						answers <- struct{}{}
						known, w.asking = true, true
						w.tokens = app.MustRefresh(t, c, w.tokens.Refresh)
						answers <- struct{}{}
						w.asking = false
						if rand.IntN(2) == 0 {
							known = false
							w.revoked = app.Revoke(t, c, w.tokens.Access).Status == http.StatusOK
							answers <- struct{}{}
							known = w.revoked
							return
						}
						w.asking = true
						w.tokens = app.MustRefresh(t, c, w.tokens.Refresh)
						answers <- struct{}{}
						w.asking = false
					})
					if known {
						mu.Lock()
						witnesses = append(witnesses, w)
						mu.Unlock()
					}
				}
			})
		}
		for range 1 + rand.IntN(12) { // however slow the machine is
			select {
			case <-answers:
			case <-time.After(2 * time.Minute):
				t.Fatal("nothing is answered")
			}
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // the moment of the kill, amid what two others ask
		app.Kill()
		stop()
		wg.Wait()
		app.Start()
	}
	live := 0
	for i, w := range witnesses {
		if rig.Long() {
			time.Sleep(60 * time.Millisecond) // thousands at once from one address, some with bad tokens, would be told to wait
		}
		if w.revoked {
			app.MustBeDead(t, w.client, w.tokens)
			continue
		}
		live++
		app.MustWorkWith(t, w.tokens.Access)
		if r := app.Refresh(t, w.client, w.tokens.Refresh); r.Status != http.StatusOK && !w.asking {
			t.Fatalf("grant %d of %d: refresh answers %d: %s", i, len(witnesses), r.Status, rig.Clip(r.Body))
		}
	}
	if !enough() {
		t.Errorf("%d live of %d grants: too few to mean anything", live, len(witnesses))
	}
	t.Logf("%d kills, %d grants, %d of them live", done, len(witnesses), live)
}

// T37, T38: it handles kill -9 between a refresh and its retry, and before a
// replay.
func TestSecKilledBetweenRefreshes(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	first := app.SignIn(t, rig.NewBrowser(t), c, "alice")
	second := app.MustRefresh(t, c, first.Refresh)
	app.Kill()
	app.Start()
	if again := app.MustRefresh(t, c, first.Refresh); again.Refresh != second.Refresh {
		t.Fatal("another successor after the kill")
	}
	third := app.MustRefresh(t, c, second.Refresh)
	app.Kill()
	app.Start()
	app.MustWorkWith(t, third.Access)
	app.Refresh(t, c, first.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustBeDead(t, c, third)
	app.Kill()
	app.Start()
	app.MustBeDead(t, c, third)
	if app.CountEvents(t, "token.reused") != 1 {
		t.Error("the token.reused event is lost")
	}
}

// It handles a state file that was cut, overwritten, or written by a newer
// version: it says so, names the file, and leaves it as it is.
func TestSecDamagedState(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	app.Stop()
	path := filepath.Join(app.Options.DataDir, "state.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(t.TempDir(), "newer.db")
	if err := os.WriteFile(newer, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(newer, 0o600, nil)
	if err == nil {
		err = errors.Join(db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{99}) }), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	ofNewer, _ := os.ReadFile(newer)
	for name, damage := range map[string]struct {
		data []byte
		says string
	}{
		"cut to nothing":      {[]byte{}, "damaged"},
		"cut in half":         {whole[:len(whole)/2], "damaged"},
		"no database":         {bytes.Repeat([]byte("not a database\n"), 5000), "damaged"},
		"zeros":               {make([]byte, len(whole)), "damaged"},
		"a newer version's":   {ofNewer, "newer version"},
		"the middle is zeros": {append(append(bytes.Clone(whole[:8192]), make([]byte, len(whole)-8192-4096)...), whole[len(whole)-4096:]...), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, damage.data, 0o600); err != nil {
				t.Fatal(err)
			}
			err := rig.TryRun(t, app, app.Options.Keystore)
			if err == nil || !strings.Contains(err.Error(), damage.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("it says: %v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, damage.data) {
				t.Error("it changed the file")
			}
		})
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	app.Start()
	app.MustWorkWith(t, tokens.Access)
	app.MustRefresh(t, c, tokens.Refresh)
}

// The program says so in one line and ends with 1.
func TestSecDamagedStateProgram(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	app.Stop()
	if err := os.Truncate(filepath.Join(app.Options.DataDir, "state.db"), 0); err != nil {
		t.Fatal(err)
	}
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := rig.StartProcess(t, app.Program.Env, path, append([]string{"run", "--headless"}, app.Flags()...)...)
	if _, code := p.Wait(); code != 1 || strings.Count(strings.TrimSpace(p.Log.String()), "\n") != 0 || !strings.Contains(p.Log.String(), "damaged") {
		t.Errorf("exit code %d, said: %s", code, p.Log)
	}
}

// It handles another data key than the one the state was sealed with, and one
// that is none.
func TestSecWrongDataKey(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	app.Stop()
	path := filepath.Join(app.Options.DataDir, "state.db")
	before, _ := os.ReadFile(path)
	for name, key := range map[string]string{
		"another": base64.StdEncoding.EncodeToString(make([]byte, 32)), "too short": base64.StdEncoding.EncodeToString(make([]byte, 16)), "no base64": "correct horse battery staple",
	} {
		keys := keystore.Memory()
		if err := keys.Set(t.Context(), keystore.DataKey, keystore.NewSecret(key)); err != nil {
			t.Fatal(err)
		}
		err := rig.TryRun(t, app, keys)
		if err == nil || !strings.Contains(err.Error(), "data key") || strings.Contains(err.Error(), key) {
			t.Errorf("%s: it says: %v", name, err)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
		t.Error("it changed the file")
	}
	app.Start()
	app.MustWorkWith(t, tokens.Access)
}

// It handles two instances that want one data folder.
func TestSecSecondInstance(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	config := app.Config
	config.Listen = "127.0.0.1:0"
	_, err := server.New(server.Options{Config: config, DataDir: app.Options.DataDir, Keystore: app.Options.Keystore, Version: "e2e"})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(err.Error(), app.MCPURL) {
		t.Errorf("it says: %v", err)
	}
	app.MustWorkWith(t, tokens.Access)
	if r := rig.ReadControlFile(t, app).Get(t, "/api/status"); r.Status != http.StatusOK {
		t.Errorf("the first instance's control side answers %d", r.Status)
	}
}
