package setup

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// setupApp is as much of an app as Setup changes: a configuration in a file, a
// keychain, and a public listener at which the provider answers.
type setupApp struct {
	t       testing.TB
	path    string
	keys    keystore.Store
	public  *httptest.Server
	trial   wizard.DryRun
	address string // "": the listener's

	mu     sync.Mutex // guards all below
	status *wizard.TrialStatus
	fail   error
}

func newSetupApp(t testing.TB) *setupApp {
	t.Helper()
	a := &setupApp{t: t, path: filepath.Join(t.TempDir(), "config.toml"), keys: keystore.Memory()}
	a.public = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth/callback" {
			if back := a.trial.Callback(r.Context(), r.URL.Query()); back != "" {
				http.Redirect(w, r, back, http.StatusSeeOther)
				return
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(a.public.Close)
	return a
}

func (a *setupApp) Config() config.Config {
	c, err := config.Load(a.path)
	if err != nil {
		return config.Default()
	}
	return c
}

func (a *setupApp) PublicURL() string {
	if a.address != "" {
		return a.address
	}
	return strings.Replace(a.public.URL, "127.0.0.1", "localhost", 1)
}

func (a *setupApp) HasSecret(account string) bool {
	_, err := a.keys.Get(context.Background(), account)
	return !errors.Is(err, keystore.ErrNotFound)
}

func (a *setupApp) Configure(ctx context.Context, c config.Config, secrets map[string]keystore.Secret) error {
	a.mu.Lock()
	fail := a.fail
	a.mu.Unlock()
	if fail != nil {
		return fail
	}
	a.trial.Stop()
	return wizard.Save(ctx, wizard.Saving{Path: a.path, Config: c, Keystore: a.keys, Secrets: secrets})
}

func (a *setupApp) Wizard() *wizard.Wizard { return &wizard.Wizard{Keystore: a.keys} }

func (a *setupApp) idpConfig() idp.Config {
	c := a.Config().IDP
	return idp.Config{Issuer: c.Issuer, ClientID: c.ClientID, Audience: c.Audience, Scopes: c.Scopes, RedirectURI: a.PublicURL() + "/auth/callback",
		ClientSecret: func(ctx context.Context) (string, error) {
			s, err := a.keys.Get(ctx, keystore.IDPClientSecret)
			return s.Reveal(), err
		}}
}

func (a *setupApp) StartDryRun(ctx context.Context, back string, certain bool) (string, error) {
	c := a.Config().Access
	return a.trial.Start(ctx, a.idpConfig(), oauth.AccessList{Emails: c.Emails, Domains: c.Domains, Groups: c.Groups, Anyone: c.Anyone}, back, certain)
}

func (a *setupApp) DryRun() wizard.TrialStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status != nil {
		return *a.status
	}
	return a.trial.Status()
}

// configured has everything set up for the provider at issuer.
func (a *setupApp) configured(issuer, clientID string) *setupApp {
	a.t.Helper()
	c := config.Default()
	c.IDP.Issuer, c.IDP.ClientID = issuer, clientID
	c.Tunnel = config.Tunnel{Provider: "ngrok", Domain: "name.ngrok.app"}
	c.Access.Emails, c.Access.Groups = []string{"alice@example.com", "bob@example.com"}, []string{"admins"}
	err := a.Configure(a.t.Context(), c, map[string]keystore.Secret{keystore.IDPClientSecret: keystore.NewSecret("a-s3cret"), keystore.NgrokAuthtoken: keystore.NewSecret("a-s3cret-token-of-some-length")})
	if err != nil {
		a.t.Fatal(err)
	}
	return a
}
