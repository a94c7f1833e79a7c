package oauth

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	app "github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var writeSample = flag.Bool("write-sample", false, "make the state file of this version that TestUpgrade opens")

// upgraded is a state file as a version left it, and what somebody had then.
type upgraded struct {
	Key, Issuer, URL        string
	Client, Access, Refresh string
	Known, Secret           string // of a client that the owner added
	At                      time.Time
}

// A data folder of each version goes on: its tokens, clients, blocks and history,
// and every other kind of record is read.
func TestUpgrade(t *testing.T) {
	folder, err := filepath.Abs("oauth/testdata") // tests run one above
	if err != nil {
		t.Fatal(err)
	}
	if *writeSample {
		makeSample(t, folder)
		return // its provider still runs
	}
	states, err := filepath.Glob(filepath.Join(folder, "state-*.db"))
	if err != nil || len(states) == 0 {
		t.Fatal("no samples", err)
	}
	for _, file := range states {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var was upgraded
			text, err := os.ReadFile(strings.TrimSuffix(file, ".db") + ".json")
			if err == nil {
				err = json.Unmarshal(text, &was)
			}
			state, readErr := os.ReadFile(file)
			if err != nil || readErr != nil {
				t.Fatal(err, readErr)
			}
			dir, keys := t.TempDir(), keystore.Memory()
			if err := os.WriteFile(filepath.Join(dir, "state.db"), state, 0o600); err != nil {
				t.Fatal(err)
			}
			_ = keys.Set(t.Context(), keystore.DataKey, keystore.NewSecret(was.Key))
			db, err := store.Open(filepath.Join(dir, "state.db"))
			if err != nil {
				t.Fatal(err)
			}
			key, _ := base64.StdEncoding.DecodeString(was.Key)
			if err := db.Unseal(key); err != nil {
				t.Fatal(err)
			}
			for bucket := range others {
				n := 0
				if err := db.Load(bucket, func(string, []byte) error { n++; return nil }); err != nil || n == 0 {
					t.Errorf("%s: %d records, %v", bucket, n, err)
				}
			}
			db.Close()
			now := rig.StartApp(t, rig.AppOptions{DataDir: dir, Keystore: keys, Issuer: was.Issuer, Now: func() time.Time { return was.At.Add(time.Minute) },
				Config: func(c *config.Config) { c.PublicURL = was.URL }})
			now.URL = now.Srv.Status().LocalURL
			now.MCPURL = now.URL + "/mcp"
			if got := now.MCP(t, was.Access).CallTool("echo", map[string]any{"message": "still here"}); got != "Echo: still here" {
				t.Errorf("echo gave %q", got)
			}
			snap := now.Srv.Snapshot()
			if len(snap.Sessions) != 1 || snap.Sessions[0].Label != "laptop" || snap.Sessions[0].User.Email != "alice@example.com" {
				t.Errorf("sessions %+v", snap.Sessions)
			}
			if len(snap.Blocked) != 1 || snap.Blocked[0].User.Email != "bob@example.com" {
				t.Errorf("blocked %+v", snap.Blocked)
			}
			if now.CountEvents(t, status.SigninSucceeded) != 1 {
				t.Error("the history is gone")
			}
			// The provider of then is away, so that a token which is known is told to wait; others are refused.
			for token, want := range map[string]int{was.Refresh: http.StatusServiceUnavailable, was.Access: http.StatusBadRequest} {
				if r := now.Refresh(t, rig.Client{ID: was.Client}, token, "resource", was.URL+"/mcp"); r.Status != want {
					t.Errorf("refresh: status %d, want %d: %s", r.Status, want, r.Body)
				}
			}
			known := false
			for _, c := range now.Srv.Clients() {
				known = known || c.ID == was.Known && c.Name == "Acme"
			}
			if !known {
				t.Error("the added client is gone")
			}
		})
	}
}

// others are the kinds of records that no sign-in of the sample makes.
var others = map[string]string{
	app.BucketConsents:    "consents",
	app.BucketRevocations: "revocations",
	app.BucketBlocks:      "blocks",
	app.BucketAssertions:  "assertions",
	"pins":                "../../internal/pins/testdata/pin-whole.json",
	"catalogs":            "../../internal/mount/testdata/catalog.json",
	"transport-sessions":  "../../internal/gateway/testdata/gathered-v1.json",
	"serverauth":          "../../internal/serverauth/testdata/record-v1.json",
}

func makeSample(t *testing.T, folder string) {
	now := rig.StartApp(t, rig.AppOptions{})
	client := now.Register(t, rig.ClientURI)
	tokens := now.SignIn(t, rig.NewBrowser(t), client, "alice")
	if err := now.Srv.Rename(t.Context(), now.Sessions(t)[0].ID, "laptop"); err != nil {
		t.Fatal(err)
	}
	known, secret, err := now.Srv.AddClient(t.Context(), status.NewClient{Name: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	now.Stop()
	key, err := keystore.Text(t.Context(), now.Options.Keystore, keystore.DataKey)
	if err != nil {
		t.Fatal(err)
	}
	was := upgraded{Key: key, Issuer: now.Demo.Issuer, URL: now.URL, Client: client.ID, Access: tokens.Access, Refresh: tokens.Refresh, Known: known.ID, Secret: secret, At: time.Now().UTC()}
	path := filepath.Join(now.Options.DataDir, "state.db")
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(key)
	if err := db.Unseal(raw); err != nil {
		t.Fatal(err)
	}
	var records map[string]json.RawMessage
	text, err := os.ReadFile(filepath.Join(folder, "../../../internal/oauth/testdata/records-v1.json"))
	if err == nil {
		err = json.Unmarshal(text, &records)
	}
	if err != nil {
		t.Fatal(err)
	}
	var changes []app.Change
	for bucket, from := range others {
		value := []byte(records[from])
		if value == nil {
			if value, err = os.ReadFile(filepath.Join(folder, "..", from)); err != nil {
				t.Fatal(err)
			}
		}
		value = []byte(strings.NewReplacer("https://auth.notes.example", "http://127.0.0.1:1", "https://notes.example", "http://127.0.0.1:1").Replace(string(value)))
		changes = append(changes, app.Change{Bucket: bucket, Key: "sample", Value: value})
	}
	if err := db.Save(changes); err != nil {
		t.Fatal(err)
	}
	db.Close()
	state, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	about, _ := json.MarshalIndent(was, "", "  ")
	for name, data := range map[string][]byte{"state-1.db": state, "state-1.json": append(about, '\n')} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
