package setup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
	"github.com/drawbridge-app/drawbridge/server/setup"
)

// TestMain has setup speak English, wherever the tests run.
func TestMain(m *testing.M) {
	if err := os.Setenv("LC_ALL", "C"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

const secret = "s3cret #with 'quotes'"

// rig is one setup of a person, and what came of it.
type rig struct {
	setup.Options
	out bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{}
	r.Options = setup.Options{
		ConfigPath: filepath.Join(t.TempDir(), "drawbridge", "config.toml"),
		Keystore:   keystore.Memory(), In: strings.NewReader(""), Out: &r.out,
		Wizard: &wizard.Wizard{HTTP: &http.Client{Transport: nowhere{}}}, // nobody answers
	}
	return r
}

type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no network") }

// run does the setup and looks whether it told the secret.
func (r *rig) run(t *testing.T) error {
	t.Helper()
	err := setup.Run(context.Background(), r.Options)
	if strings.Contains(r.out.String(), "s3cret") || err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the secret is shown: %s %v", &r.out, err)
	}
	return err
}

func (r *rig) config(t *testing.T) config.Config {
	t.Helper()
	c, err := config.Load(r.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *rig) stored(t *testing.T, account string) string {
	t.Helper()
	s, err := r.Keystore.Get(context.Background(), account)
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		t.Fatal(err)
	}
	return s.Reveal()
}

func (r *rig) nothingSaved(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(r.ConfigPath); err == nil {
		t.Error("the configuration was saved")
	}
	if r.stored(t, keystore.IDPClientSecret) != "" {
		t.Error("the secret was stored")
	}
}

func says(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestFlags(t *testing.T) {
	r := newRig(t)
	r.Issuer, r.ClientID, r.PublicURL = "https://dev-1.okta.com/oauth2/default", "0oa1", "https://name.ngrok.app/"
	r.Listen, r.Audience, r.TunnelProvider, r.TunnelDomain = "127.0.0.1:8123", "api://default", "ngrok", "name.ngrok.app"
	r.Emails, r.Domains, r.Groups = []string{"ana@example.com"}, []string{"example.org"}, []string{"admins"}
	r.SecretStdin, r.In = true, strings.NewReader(secret+"\r\ns3cret-token-of-some-length\nmore")
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.IDP.Issuer, want.IDP.ClientID, want.IDP.Audience = r.Issuer, r.ClientID, r.Audience
	want.PublicURL, want.Listen = "https://name.ngrok.app", r.Listen
	want.Tunnel = config.Tunnel{Provider: "ngrok", Domain: "name.ngrok.app"}
	want.Access = config.Access{Emails: r.Emails, Domains: r.Domains, Groups: r.Groups}
	if got := r.config(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := r.stored(t, keystore.IDPClientSecret); got != secret {
		t.Errorf("stored %q", got)
	}
	says(t, r.out.String(), "    https://name.ngrok.app/auth/callback\n",
		"Who may sign in: ana@example.com, everyone at example.org, group admins\n", "without a page (Cross App Access): add the client with `drawbridge client add`;", "Next: drawbridge run", r.ConfigPath)
	if data, _ := os.ReadFile(r.ConfigPath); strings.Contains(string(data), "s3cret") {
		t.Error("the secret is in the file")
	}
}

func TestMissingValuesAreNamedAtOnce(t *testing.T) {
	r := newRig(t)
	err := r.run(t)
	if err == nil {
		t.Fatal("nothing was missing")
	}
	says(t, err.Error(), "--issuer", "--client-id", "--secret-stdin", "--email, --domain, --group, or --anyone")
	r.nothingSaved(t)
}

func TestKeepsWhatThereIs(t *testing.T) {
	r := newRig(t)
	old := config.Default()
	old.IDP = config.IDP{Issuer: "https://a.example", ClientID: "old", Scopes: []string{"openid", "groups"}}
	old.Access.Anyone = true
	old.Clients.RedirectURIs, old.Tools.Add = []string{}, false
	if err := config.Edit(r.ConfigPath, func(c *config.Config) error { *c = old; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.Keystore.Set(context.Background(), keystore.IDPClientSecret, keystore.NewSecret("old")); err != nil {
		t.Fatal(err)
	}
	r.ClientID, r.Groups = "new", []string{"admins"}
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	old.IDP.ClientID, old.Access = "new", config.Access{Groups: []string{"admins"}}
	if got := r.config(t); !reflect.DeepEqual(got, old) {
		t.Errorf("got  %+v\nwant %+v", got, old)
	}
	if got := r.stored(t, keystore.IDPClientSecret); got != "old" {
		t.Errorf("stored %q", got)
	}
	says(t, r.out.String(), "http://127.0.0.1:8000/auth/callback")
}

func TestRefusesBeforeItSaves(t *testing.T) {
	for name, spoil := range map[string]func(*rig){
		"a bad issuer":           func(r *rig) { r.Issuer = "ftp://a.example" },
		"a bad public URL":       func(r *rig) { r.PublicURL = "ftp://a.example" },
		"a bad address":          func(r *rig) { r.Emails = []string{"ana"} },
		"a secret that is empty": func(r *rig) { r.In = strings.NewReader("\n") },
		"no secret":              func(r *rig) { r.In = strings.NewReader("") },
		"a secret too big":       func(r *rig) { r.In = strings.NewReader(strings.Repeat("s3cret", 1000)) },
		"no .env file":           func(r *rig) { r.FromEnv = r.ConfigPath + ".env" },
		"a folder that is a file": func(r *rig) {
			_ = os.WriteFile(filepath.Dir(r.ConfigPath), nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Issuer, r.ClientID, r.Anyone = "https://a.example", "id", true
			r.SecretStdin, r.In = true, strings.NewReader(secret)
			spoil(r)
			if err := r.run(t); err == nil {
				t.Fatal("it was saved")
			}
			r.nothingSaved(t)
		})
	}
}

func TestLeavesABrokenFileAlone(t *testing.T) {
	r := newRig(t)
	const text = "[idp]\nisuer = 'x'\n"
	_ = os.MkdirAll(filepath.Dir(r.ConfigPath), 0o700)
	if err := os.WriteFile(r.ConfigPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Issuer, r.ClientID, r.Anyone, r.SecretStdin, r.In = "https://a.example", "id", true, true, strings.NewReader(secret)
	err := r.run(t)
	if err == nil {
		t.Fatal("it was overwritten")
	}
	says(t, err.Error(), r.ConfigPath+":2: unknown key `isuer`")
	if got, _ := os.ReadFile(r.ConfigPath); string(got) != text {
		t.Errorf("the file is now %s", got)
	}
}

func TestPutsTheOldSecretBack(t *testing.T) {
	r := newRig(t)
	if err := r.Keystore.Set(context.Background(), keystore.IDPClientSecret, keystore.NewSecret("old")); err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(filepath.Dir(r.ConfigPath), nil, 0o600) // where the folder would be
	r.ConfigPath = filepath.Join(filepath.Dir(r.ConfigPath), "x", "config.toml")
	r.Issuer, r.ClientID, r.Anyone, r.SecretStdin, r.In = "https://a.example", "id", true, true, strings.NewReader(secret)
	if err := r.run(t); err == nil {
		t.Fatal("it was saved")
	}
	if got := r.stored(t, keystore.IDPClientSecret); got != "old" {
		t.Errorf("stored %q", got)
	}
}

func TestEnvironmentKeystore(t *testing.T) {
	vars := map[string]string{}
	r := newRig(t)
	r.Keystore = keystore.Env(func(k string) (string, bool) { v, ok := vars[k]; return v, ok })
	r.Issuer, r.ClientID, r.Anyone = "https://a.example", "id", true
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	says(t, r.out.String(), "set DRAWBRIDGE_IDP_CLIENT_SECRET before you start", "Who may sign in: anyone")
	r.config(t)

	vars["DRAWBRIDGE_IDP_CLIENT_SECRET"] = secret
	r.out.Reset()
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.out.String(), "DRAWBRIDGE_") {
		t.Errorf("it is set already:\n%s", &r.out)
	}
	r.SecretStdin, r.In = true, strings.NewReader("another")
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	says(t, r.out.String(), "set DRAWBRIDGE_IDP_CLIENT_SECRET")
}

// person answers prompts by what they ask for.
type person struct {
	t       *testing.T
	answers map[string][]string // by a part of the prompt, in order
	prompts []string
}

func (p *person) ReadLine(_ context.Context, prompt string) (string, error) {
	p.prompts = append(p.prompts, prompt)
	for part, answers := range p.answers {
		if strings.Contains(prompt, part) && len(answers) > 0 {
			p.answers[part] = answers[1:]
			return answers[0], nil
		}
	}
	p.t.Logf("no answer to %q", prompt)
	return "", io.ErrUnexpectedEOF
}

func (p *person) ReadSecret(ctx context.Context, prompt string) (string, error) {
	if !strings.Contains(prompt, "not shown") {
		p.t.Errorf("%q does not say that nothing shows", prompt)
	}
	return p.ReadLine(ctx, prompt)
}

func TestPrompts(t *testing.T) {
	r := newRig(t)
	p := &person{t: t, answers: map[string][]string{
		"Issuer URL":            {"", "a b", " https://dev-1.okta.com/ "},
		"Client ID":             {"0oa1"},
		"Client secret":         {"", secret},
		"Tunnel":                {"cloud", "ngrok"},
		"ngrok domain":          {"a b", "https://name.ngrok.app"},
		"ngrok authtoken":       {"s3cret-token-of-some-length"},
		"Who may sign in?":      {"", "ana", "ana@example.com, @example.org,group:Team B"},
		"if something else bri": {"never asked"},
	}}
	r.Terminal = p
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	c := r.config(t)
	want := config.Access{Emails: []string{"ana@example.com"}, Domains: []string{"example.org"}, Groups: []string{"Team B"}}
	if c.IDP.Issuer != "https://dev-1.okta.com" || c.IDP.ClientID != "0oa1" || c.Tunnel.Domain != "name.ngrok.app" || !reflect.DeepEqual(c.Access, want) {
		t.Errorf("saved %+v", c)
	}
	if r.stored(t, keystore.IDPClientSecret) != secret || r.stored(t, keystore.NgrokAuthtoken) != "s3cret-token-of-some-length" {
		t.Error("the secrets were not stored")
	}
	says(t, r.out.String(), "It is needed.", "`issuer` in [idp] must be", "It can't be empty.", "`provider` in [tunnel] must be",
		"Nobody could sign in then.", "`emails` in [access] must have", "https://name.ngrok.app/auth/callback")

	// Once more: Enter keeps everything.
	before := c
	p.prompts = nil
	for part := range p.answers {
		p.answers[part] = []string{""}
	}
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	if got := r.config(t); !reflect.DeepEqual(got, before) || r.stored(t, keystore.IDPClientSecret) != secret {
		t.Errorf("Enter changed something: %+v", got)
	}
	says(t, strings.Join(p.prompts, "\n"), "[https://dev-1.okta.com]", "[0oa1]", "[ana@example.com, everyone at example.org, group Team B]")
}

func TestStoppedAtAPrompt(t *testing.T) {
	r := newRig(t)
	r.Terminal = &person{t: t, answers: map[string][]string{"Issuer": {"https://a.example"}}}
	if err := r.run(t); err == nil {
		t.Fatal("it went on")
	}
	r.nothingSaved(t)
}

// lockedStore is a keychain that a person unlocks after a while.
type lockedStore struct {
	keystore.Store
	refusals int
	waiting  bool
}

func (l *lockedStore) Set(ctx context.Context, account string, s keystore.Secret) error {
	if l.refusals > 0 {
		l.refusals--
		return &keystore.Error{Kind: keystore.Locked, Account: account, Op: "set", Waiting: l.waiting}
	}
	return l.Store.Set(ctx, account, s)
}

func TestLockedKeychain(t *testing.T) {
	for _, c := range []struct {
		name                      string
		waiting, person, succeeds bool
	}{
		{"waits while its window is open", true, true, true},
		{"fails at once with nobody there", true, false, false},
		{"fails at once without a window", false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.Keystore = &lockedStore{keystore.Memory(), 3, c.waiting}
			r.Issuer, r.ClientID, r.PublicURL, r.Anyone = "https://a.example", "id", "https://b.example", true
			r.SecretStdin, r.In = true, strings.NewReader(secret)
			if c.person {
				r.Terminal = &person{t: t}
			}
			err := r.run(t)
			if (err == nil) != c.succeeds {
				t.Fatal(err)
			}
			if !c.succeeds {
				says(t, err.Error(), "unlock it, then try again")
				r.nothingSaved(t)
			} else if n := strings.Count(r.out.String(), "keychain is locked"); n != 1 {
				t.Errorf("said %d times that it is locked", n)
			}
		})
	}
}

// Run is run without a look for the secret, for texts that are none.
func (r *rig) Run() error { return setup.Run(context.Background(), r.Options) }

// With a tunnel the authtoken comes on the line after the client secret, or not
// at all; without one nothing but the first line is read.
func TestAuthtokenOnStandardInput(t *testing.T) {
	for _, c := range []struct{ name, tunnel, domain, in, want string }{
		{"ngrok", "ngrok", "", secret + "\ns3cret-token-of-some-length\n", "s3cret-token-of-some-length"},
		{"a domain alone", "", "name.ngrok.app", secret + "\ns3cret-token-of-some-length", "s3cret-token-of-some-length"},
		{"ngrok, one line", "ngrok", "", secret + "\n", ""},
		{"no tunnel", "none", "", secret + "\nmore\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.Issuer, r.ClientID, r.Anyone, r.SecretStdin, r.In = "https://a.example", "id", true, true, strings.NewReader(c.in)
			r.TunnelProvider, r.TunnelDomain = c.tunnel, c.domain
			if err := r.run(t); err != nil {
				t.Fatal(err)
			}
			if got := r.stored(t, keystore.IDPClientSecret); got != secret {
				t.Errorf("client secret %q", got)
			}
			if got := r.stored(t, keystore.NgrokAuthtoken); got != c.want {
				t.Errorf("authtoken %q, want %q", got, c.want)
			}
		})
	}
}

// A new authtoken alone needs no client secret once there is one.
func TestAuthtokenAlone(t *testing.T) {
	r := newRig(t)
	r.Issuer, r.ClientID, r.Anyone, r.TunnelDomain = "https://a.example", "id", true, "name.ngrok.app"
	r.SecretStdin, r.AuthtokenStdin, r.In = true, true, strings.NewReader(secret+"\nfirst-s3cret-of-some-length\n")
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	before := r.config(t)
	again := newRig(t)
	again.ConfigPath, again.Keystore, again.AuthtokenStdin, again.In = r.ConfigPath, r.Keystore, true, strings.NewReader(" second-s3cret-of-some-length\r\n")
	if err := again.run(t); err != nil {
		t.Fatal(err)
	}
	if r.stored(t, keystore.IDPClientSecret) != secret || r.stored(t, keystore.NgrokAuthtoken) != "second-s3cret-of-some-length" || !reflect.DeepEqual(r.config(t), before) {
		t.Error("more or less than the authtoken was changed")
	}
	again.In = strings.NewReader("\n")
	if err := again.run(t); err == nil || !strings.Contains(err.Error(), "--authtoken-stdin") {
		t.Errorf("an empty line: %v", err)
	}
}

// A flag with a value that can't be is wrong usage; what is wrong elsewhere is not.
func TestWrongFlagsAreWrongUsage(t *testing.T) {
	for name, spoil := range map[string]func(*rig){
		"issuer":   func(r *rig) { r.Issuer = "ftp://a.example" },
		"url":      func(r *rig) { r.PublicURL = "ftp://a.example" },
		"listen":   func(r *rig) { r.Listen = "8000" },
		"tunnel":   func(r *rig) { r.TunnelProvider = "cloud" },
		"domain":   func(r *rig) { r.TunnelDomain = "a b" },
		"e-mail":   func(r *rig) { r.Emails = []string{"ana"} },
		"@domain":  func(r *rig) { r.Domains = []string{"*.example"} },
		"audience": func(r *rig) { r.Audience = " x" },
	} {
		r := newRig(t)
		r.Issuer, r.ClientID, r.Anyone, r.SecretStdin, r.In = "https://a.example", "id", true, true, strings.NewReader(secret)
		spoil(r)
		var usage setup.UsageError
		if err := r.run(t); !errors.As(err, &usage) {
			t.Errorf("%s: %v", name, err)
		}
		r.nothingSaved(t)
	}
	r := newRig(t)
	r.FromEnv, r.Anyone = write(t, "OKTA_DOMAIN=a b\nOKTA_CLIENT_ID=x\nOKTA_CLIENT_SECRET=s3cret"), true
	var usage setup.UsageError
	if err := r.run(t); err == nil || errors.As(err, &usage) {
		t.Errorf("a bad .env file: %v", err)
	}
}

// The command asks the provider as Setup's page does: what people paste is put
// right and said, what can't work is refused with a sentence, and nothing saved.
func TestChecksTheProvider(t *testing.T) {
	provider, err := demo.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, issuer, secret string
		saved                bool
		says                 []string
	}{
		{"a slash at the end", provider.Issuer + "/", demo.ClientSecret, true, []string{"The issuer is " + provider.Issuer + "\n"}},
		{"a discovery document", provider.Issuer + "/.well-known/openid-configuration", demo.ClientSecret, true, []string{"The issuer is " + provider.Issuer + "\n"}},
		{"an authorization server that is not there", provider.Issuer + "/oauth2/default", demo.ClientSecret, false, []string{"no authorization server named default"}},
		{"a wrong secret", provider.Issuer, "s3cret-wrong", false, []string{"does not accept Drawbridge's client ID or client secret"}},
		{"a provider that is away", "http://127.0.0.1:1", demo.ClientSecret, true, []string{"can't be reached", "It was not checked."}},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			r := newRig(t)
			r.Wizard = &wizard.Wizard{Keystore: r.Keystore}
			r.Issuer, r.ClientID, r.Anyone, r.SecretStdin, r.In = c.issuer, demo.ClientID, true, true, strings.NewReader(c.secret)
			err := r.run(t)
			said := r.out.String()
			if err != nil {
				said = err.Error()
				r.nothingSaved(t)
			}
			if (err == nil) != c.saved {
				t.Errorf("saved: %t", err == nil)
			}
			says(t, said, c.says...)
		})
	}
}

// The secret of one provider is not kept for another.
func TestAnotherProviderNeedsItsSecret(t *testing.T) {
	r := newRig(t)
	r.Issuer, r.ClientID, r.Anyone, r.SecretStdin, r.In = "https://a.example/x", "id", true, true, strings.NewReader(secret)
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	r.SecretStdin, r.Issuer = false, "https://b.example"
	if err := r.run(t); err == nil || !strings.Contains(err.Error(), "--secret-stdin") {
		t.Errorf("another host: %v", err)
	}
	r.Issuer = "https://a.example/y"
	if err := r.run(t); err != nil {
		t.Errorf("another server at the same host: %v", err)
	}
}
