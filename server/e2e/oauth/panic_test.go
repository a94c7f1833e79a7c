package oauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// After a panic nothing that was ever issued works, the state file opens with
// the new key alone, and once resumed everybody can connect anew; a restart
// changes none of it.
func TestPanic(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), client, "alice")
	ended := app.MCP(t, tokens.Access).Stream()
	old, err := app.Options.Keystore.Get(t.Context(), keystore.DataKey)
	if err != nil {
		t.Fatal(err)
	}

	said, err := app.Srv.Panic(t.Context())
	if err != nil || !strings.Contains(said, "1 sessions have ended") {
		t.Fatalf("%q, %v", said, err)
	}
	<-ended
	now, err := app.Options.Keystore.Get(t.Context(), keystore.DataKey)
	if err != nil || now.Reveal() == old.Reveal() {
		t.Errorf("the data key is the same (%v)", err)
	}
	if got := app.Do(t, http.MethodPost, "/mcp", strings.NewReader("{}"), "Authorization", "Bearer "+tokens.Access); got.Status != http.StatusServiceUnavailable {
		t.Errorf("paused, /mcp answers %d", got.Status)
	}
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted=%v", restart), func(t *testing.T) {
			if restart {
				app.Stop()
				app.Start()
			}
			if err := app.Srv.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			rig.WaitFor(t, "the app to be ready", func() bool { return app.Status(t).State == status.Ready })
			if got := app.Do(t, http.MethodPost, "/mcp", strings.NewReader("{}"), "Authorization", "Bearer "+tokens.Access); got.Status != http.StatusUnauthorized {
				t.Errorf("the old token is answered %d", got.Status)
			}
			if got := app.Refresh(t, client, tokens.Refresh); got.Status == http.StatusOK {
				t.Error("the old refresh token gives a new one")
			}
			if app.CountEvents(t, "session.revoked") != 1 {
				t.Error("the history is gone")
			}
			app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "bob")
		})
	}
}

// A start finds the key that was to take the other's place when the panic was
// cut short.
func TestPanicCutShort(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	if _, err := app.Srv.Panic(t.Context()); err != nil {
		t.Fatal(err)
	}
	app.Stop()
	keys := app.Options.Keystore
	now, _ := keys.Get(t.Context(), keystore.DataKey)
	_ = keys.Set(t.Context(), keystore.NextDataKey, now)
	_ = keys.Set(t.Context(), keystore.DataKey, keystore.NewSecret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	app.Options.Undecided = true
	app.Start()
	rig.WaitFor(t, "the state file to open", func() bool { return app.Status(t).State == status.Paused })
	if got, _ := keys.Get(t.Context(), keystore.DataKey); got.Reveal() != now.Reveal() {
		t.Error("the key has not taken its place")
	}
	if _, err := keys.Get(t.Context(), keystore.NextDataKey); err == nil {
		t.Error("the key is still there under its other name")
	}
}

// Where the data key can't be changed, a panic tells what it has done all the
// same: whoever presses the button wants to know whether somebody is still in.
func TestPanicWithoutNewKey(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{Keystore: lastingKey{keystore.Memory()}})
	app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	_, err := app.Srv.Panic(t.Context())
	const want = "Drawbridge is paused, so nobody gets in. 1 sessions have ended. Not everything could be done: the data key stands in DRAWBRIDGE_DATA_KEY"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("it says %v", err)
	}
	if st := app.Status(t); st.State != status.Paused || st.Sessions != 0 {
		t.Errorf("afterwards %s, %d sessions", st.State, st.Sessions)
	}
}

// lastingKey refuses another data key, as the environment does.
type lastingKey struct{ keystore.Store }

func (l lastingKey) Set(ctx context.Context, account string, s keystore.Secret) error {
	if account == keystore.NextDataKey {
		return &keystore.Error{Kind: keystore.ReadOnly, Account: account, Op: "set"}
	}
	return l.Store.Set(ctx, account, s)
}
