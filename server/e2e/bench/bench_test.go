package bench

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
)

// BenchmarkSessions compares an authenticated echo beside 20,000 stored
// sessions with one beside 10, in turns of the same run.
func BenchmarkSessions(b *testing.B) {
	var targets [2]target
	for i, n := range []int{10, 20_000} {
		app := rig.StartApp(b, rig.AppOptions{Config: nil, Keystore: keystore.Memory()})
		app.Stop()
		secret, err := app.Options.Keystore.Get(b.Context(), keystore.DataKey)
		if err != nil {
			b.Fatal(err)
		}
		fill(b, app, secret.Reveal(), n, time.Now().Add(time.Hour))
		app.Start()
		tokens := app.SignIn(b, rig.NewBrowser(b), app.Register(b, rig.ClientURI), "alice")
		if got := len(app.Sessions(b)); got != n+1 {
			b.Fatalf("%d sessions, want %d", got, n+1)
		}
		targets[i] = target{strings.TrimPrefix(app.URL, "http://"), tokens.Access}
	}
	var few, many measure
	for b.Loop() {
		for range 12 {
			few.add(load(b, targets[0], rig.ModernVersion, 1))
			many.add(load(b, targets[1], rig.ModernVersion, 1))
		}
	}
	b.ReportMetric(float64(few.p50().Microseconds()), "p50-10-µs")
	b.ReportMetric(float64(many.p50().Microseconds()), "p50-20000-µs")
	b.ReportMetric(float64(many.p50())/float64(few.p50()), "p50-ratio")
	b.ReportMetric(0, "ns/op")
}

// fill writes n sessions that last until expires into the state of an app that
// does not run. key is its data key in base64.
func fill(b *testing.B, app *rig.App, key string, n int, expires time.Time) {
	b.Helper()
	db, err := store.Open(filepath.Join(app.Options.DataDir, "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Unseal(raw); err != nil {
		b.Fatal(err)
	}
	now := time.Now().UTC()
	for n > 0 {
		var changes []oauth.Change
		for ; n > 0 && len(changes) < 1000; n-- {
			var raw [16]byte
			_, _ = rand.Read(raw[:])
			id := base64.RawURLEncoding.EncodeToString(raw[:])
			record, err := json.Marshal(oauth.Grant{Version: 1, ID: id,
				Client:   oauth.GrantClient{ID: "dbc_bench", Name: "Bench", Kind: oauth.KindDCR, RedirectURI: rig.ClientURI, AuthMethod: "none"},
				Identity: oauth.Identity{Issuer: app.Options.Issuer, Subject: fmt.Sprint("person ", n), Email: fmt.Sprintf("p%d@example.com", n), EmailVerified: true},
				Provider: app.Options.Issuer, Scopes: []string{"openid", "profile", "email"}, Resource: app.MCPURL, CreatedAt: now, ExpiresAt: expires,
				Generation: 1, RotatedAt: now, UpstreamRefresh: "upstream", LastUsedAt: now})
			if err != nil {
				b.Fatal(err)
			}
			changes = append(changes, oauth.Change{Bucket: oauth.BucketGrants, Key: id, Value: record})
		}
		if err := db.Save(changes); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignIn is a complete sign-in without the person: registration,
// consent, the built-in provider, token.
func BenchmarkSignIn(b *testing.B) {
	app := rig.StartApp(b, rig.AppOptions{})
	client := app.Register(b, rig.ClientURI)
	for b.Loop() {
		app.SignIn(b, rig.NewBrowser(b), client, "alice")
	}
}

// BenchmarkProgram is the real program: from its start until it is ready, and
// the memory it takes then and after a load of calls. Without -race.
func BenchmarkProgram(b *testing.B) {
	if _, err := rig.Binary(); err != nil { // built before the clock runs
		b.Fatal(err)
	}
	for b.Loop() {
		start := time.Now()
		app := rig.StartBinary(b, rig.AppOptions{})
		ready := time.Since(start)
		if app.Get(b, "/health").Status != http.StatusOK {
			b.Fatal("not healthy")
		}
		idle := resident(b, app)
		tokens := app.SignIn(b, rig.NewBrowser(b), app.Register(b, rig.ClientURI), "alice")
		to := target{strings.TrimPrefix(app.URL, "http://"), tokens.Access}
		calls := 0
		for range 10 {
			calls += len(load(b, to, rig.ModernVersion, 16).took)
		}
		b.ReportMetric(float64(ready.Milliseconds()), "ready-ms")
		b.ReportMetric(idle, "idle-MB")
		b.ReportMetric(resident(b, app), "loaded-MB")
		b.ReportMetric(float64(calls), "calls")
		app.Stop()
	}
	b.ReportMetric(0, "ns/op")
}

// resident returns the program's resident memory in MB (proc(5), VmRSS).
func resident(b *testing.B, app *rig.App) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", app.Status(b).PID))
	if err != nil {
		b.Skip("resident memory is read from /proc, which is Linux's: ", err)
	}
	var kb float64
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, _ = fmt.Sscan(value, &kb)
		}
	}
	return kb / 1024
}
