package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// told is a provider that does as told. The real one is tried in the
// end-to-end tests, by `drawbridge doctor`.
type told struct {
	err      error
	secret   error
	redirect idp.RedirectKnown
	refuses  error // the request, at the redirect URI or beside it
	left     []string
}

func (p told) Check(context.Context) error       { return p.err }
func (p told) LeftOut() []string                 { return p.left }
func (p told) CheckClient(context.Context) error { return p.secret }
func (p told) CheckRedirect(context.Context) (idp.RedirectKnown, error) {
	if p.err != nil {
		return idp.RedirectUntold, p.err
	}
	return p.redirect, p.refuses
}

const redirectURI = "https://bridge.example/auth/callback"

func patient(t *testing.T) Patient {
	c := config.Default()
	c.IDP.Issuer, c.IDP.ClientID = "https://idp.example", "id"
	c.Tunnel.Provider = config.TunnelNone
	c.Access.Emails = []string{"ana@example.com"}
	keys := keystore.Memory()
	for _, account := range []string{keystore.DataKey, keystore.IDPClientSecret} {
		if err := keys.Set(t.Context(), account, keystore.NewSecret("hunter2")); err != nil {
			t.Fatal(err)
		}
	}
	return Patient{Config: c, Keystore: keys, Provider: told{redirect: idp.RedirectYes},
		PublicURL: "https://bridge.example", RedirectURI: redirectURI}
}

func TestChecks(t *testing.T) {
	away := &oauth.ProviderError{Kind: oauth.ProviderUnreachable, Message: "Okta did not answer.", Err: errors.New("internal")}
	cases := []struct {
		name   string
		spoil  func(*testing.T, *Patient)
		check  string // the one that is not well; "" if all are
		result string
		cure   string
	}{
		{"all well", func(*testing.T, *Patient) {}, "", "", ""},
		{"nothing configured", func(_ *testing.T, p *Patient) { p.Config.IDP.Issuer = "" }, "configuration", "lacks", "drawbridge setup"},
		{"nobody on the access list", func(_ *testing.T, p *Patient) { p.Config.Access = config.Access{} }, "access list", "nobody may sign in", "in Setup"},
		{"a public client", func(t *testing.T, p *Patient) { _ = p.Keystore.Delete(t.Context(), keystore.IDPClientSecret) }, "", "", ""},
		{"a keychain that does not answer", func(_ *testing.T, p *Patient) { p.Keystore = locked{} }, "keychain", "can't be read", "locked"},
		{"a provider that is away", func(_ *testing.T, p *Patient) { p.Provider = told{err: away} }, "provider", "can't be used", "Okta did not answer."},
		{"a secret that the provider refuses", func(t *testing.T, p *Patient) {
			p.Provider = told{secret: &oauth.ProviderError{Kind: oauth.ProviderMisconfigured, Message: "Check the client secret."}, redirect: idp.RedirectYes}
		}, "provider", "does not take", "Check the client secret."},
		{"a redirect URI unknown to the provider", func(t *testing.T, p *Patient) {
			p.Provider = told{redirect: idp.RedirectRefused, refuses: &oauth.ProviderError{Kind: oauth.ProviderMisconfigured, Message: "Add " + redirectURI + " there."}}
		}, "redirect URI", "refuses", redirectURI},
		{"a scope the provider does not allow", func(t *testing.T, p *Patient) {
			p.Provider = told{redirect: idp.RedirectYes, refuses: &oauth.ProviderError{Kind: oauth.ProviderMisconfigured, Code: "invalid_scope", Message: "Compare the scopes."}}
		}, "redirect URI", "invalid_scope", "scopes"},
		{"a provider that shows its sign-in page", func(t *testing.T, p *Patient) { p.Provider = told{redirect: idp.RedirectUntold} }, "", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := patient(t)
			c.spoil(t, &p)
			for _, check := range Run(t.Context(), p) {
				if strings.Contains(check.Result+check.Cure, "hunter2") || strings.Contains(check.Cure, "internal") {
					t.Errorf("%s shows what it must not: %+v", check.Name, check)
				}
				if check.OK != (check.Name != c.check) {
					t.Errorf("%+v", check)
				}
				if check.Name == c.check && (!strings.Contains(check.Result, c.result) || !strings.Contains(check.Cure, c.cure)) {
					t.Errorf("%+v", check)
				}
			}
		})
	}
}

// locked is a keychain that nobody unlocks.
type locked struct{}

var errLocked = &keystore.Error{Kind: keystore.Locked, Op: "get", Account: keystore.DataKey, Err: errors.New("x")}

func (locked) Get(context.Context, string) (keystore.Secret, error) {
	return keystore.Secret{}, errLocked
}
func (locked) Set(context.Context, string, keystore.Secret) error { return errLocked }
func (locked) Delete(context.Context, string) error               { return errLocked }

// Each mounted server has a line; one that hangs takes no other's time.
func TestServers(t *testing.T) {
	works := func(context.Context) (int, error) { return 12, nil }
	hangs := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, errors.New("calendar does not answer")
	}
	mute := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, fmt.Errorf("look: %w", context.DeadlineExceeded)
	}
	away := func(context.Context) (int, error) { return 0, errors.New("web can't be reached. Is it running?") }
	cure := "tracker needs a sign-in of its own. Sign in under Servers in the console, or with `drawbridge server sign-in tracker`."
	wants := func(context.Context) (int, error) { return 0, errors.New(cure) }
	p := patient(t)
	p.Notes = []string{"put it there as ${keychain:NAME}", "The tool search of the server b is listed at /mcp as b__search."}
	p.Servers = []Server{{Name: "files", Look: works}, {Name: "calendar", Look: hangs}, {Name: "mute", Look: mute}, {Name: "web", Look: away}, {Name: "tracker", Look: wants}, {Name: "notes", Off: true}, {Name: "idle"}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that the one that hangs does not
	got := map[string]status.Check{}
	for _, c := range p.servers(ctx) {
		got[c.Name] = c
	}
	for name, want := range map[string]status.Check{
		"mounted servers":  {OK: true, Result: "mcp.json names 7"},
		"server files":     {OK: true, Result: "it answers, and offers 12 tools"},
		"server calendar":  {Result: "it can't be used", Cure: "calendar does not answer. `drawbridge logs calendar` shows what it wrote."},
		"server mute":      {Result: "it can't be used", Cure: "It did not answer within 10 seconds. `drawbridge logs mute` shows what it wrote."},
		"server web":       {Result: "it can't be used", Cure: "web can't be reached. Is it running? `drawbridge logs web` shows what it wrote."},
		"server tracker":   {Result: "it can't be used", Cure: cure},
		"server notes":     {OK: true, Result: "switched off"},
		"server idle":      {OK: true, Result: "not checked: Drawbridge is not running"},
		"what clients see": {OK: true, Result: p.Notes[0] + ". " + p.Notes[1]},
	} {
		want.Name = name
		if got[name] != want {
			t.Errorf("got %+v, want %+v", got[name], want)
		}
	}
	p = patient(t)
	p.Mistake = errors.New(`mcp.json:3: "comand" is not known: did you mean "command"?`)
	if c := p.mounted(); c.OK || c.Cure != p.Mistake.Error() {
		t.Errorf("a mistake in mcp.json: %+v", c)
	}
}

// Without a configuration one check fails and says what to do; none says what it
// can't know.
func TestNotSetUp(t *testing.T) {
	for i, c := range NotSetUp("Run `drawbridge setup`.") {
		if c.OK != (i > 0) || i > 0 && !strings.Contains(c.Result, "not checked") || i == 0 && c.Cure == "" {
			t.Errorf("%+v", c)
		}
	}
}

// A key of the provider's that is left out is told, and is no fault.
func TestProviderNotesKeys(t *testing.T) {
	p := patient(t)
	p.Provider = told{redirect: idp.RedirectYes, left: []string{"key 1 of 2 has no kty"}}
	for _, check := range Run(t.Context(), p) {
		if !check.OK || check.Name == "provider" && !strings.Contains(check.Result, "key 1 of 2 has no kty") {
			t.Errorf("%+v", check)
		}
	}
}
