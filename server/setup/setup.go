// Package setup is what `drawbridge setup` does: it asks a person, or reads
// flags or a .env file, writes config.toml and puts secrets in the keychain.
//
// It never prints a secret, never writes one to a file, and saves nothing
// before everything has been checked.
//
// Start at [Run].
package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// Options are the flags of `drawbridge setup`, and what they work with. What is
// empty comes from the .env file, from the configuration there is, or from the
// person.
type Options struct {
	ConfigPath string         `kong:"-"`
	Keystore   keystore.Store `kong:"-"`
	In         io.Reader      `kong:"-"`
	Out        io.Writer      `kong:"-"`
	Terminal   Terminal       `kong:"-"` // nil: In, if that is a terminal
	Wizard     *wizard.Wizard `kong:"-"` // asks the provider; nil: by the way out that is configured

	Issuer    string `placeholder:"URL"`
	ClientID  string `name:"client-id" placeholder:"ID"`
	Audience  string `placeholder:"AUD"`
	PublicURL string `name:"public-url" placeholder:"URL"`
	Listen    string `placeholder:"ADDR"`

	// Who may sign in; any of them replaces the whole list there is.
	Emails  []string `name:"email" placeholder:"ADDRESS"`
	Domains []string `name:"domain" placeholder:"DOMAIN"`
	Groups  []string `name:"group" placeholder:"GROUP"`
	Anyone  bool

	TunnelProvider string `name:"tunnel" placeholder:"ngrok|none"`
	TunnelDomain   string `placeholder:"HOST"`

	Proxy   string   `placeholder:"URL"`
	NoProxy []string `placeholder:"HOST"`
	CAFile  string   `name:"ca-file" placeholder:"FILE" type:"path"`

	SecretStdin    bool   // the client secret is In's first line; with ngrok the authtoken may be the second
	AuthtokenStdin bool   // ngrok's authtoken is In's first line, or the one after the client secret
	FromEnv        string `placeholder:"FILE" type:"path"` // path of a FastMCP .env file
}

// UsageError is a flag whose value can't be.
type UsageError struct{ error }

// Unwrap returns what is wrong with it.
func (e UsageError) Unwrap() error { return e.error }

// Run does the whole setup. Its errors say what to give or mend; those about
// values are errors of package config. On an error nothing has been changed.
func Run(ctx context.Context, o Options) error {
	s := &session{Options: o, terminal: o.Terminal}
	if s.terminal == nil && !o.SecretStdin && !o.AuthtokenStdin {
		s.terminal = TerminalOf(o.In, o.Out)
	}
	if s.Wizard == nil {
		s.Wizard = &wizard.Wizard{Keystore: o.Keystore, Network: func(n config.Network, password keystore.Secret) *outbound.Network {
			return wizard.WayOut(n, password, o.Keystore)
		}}
	}
	for _, step := range []func(context.Context) error{
		s.readConfig, s.readEnvFile, s.readFlags, s.readSecrets, s.ask, s.check, s.save,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.report()
	return nil
}

// session is one setup under way.
type session struct {
	Options
	terminal Terminal // nil if nobody can be asked

	config    config.Config
	before    config.Config
	domain    string          // of an Okta, from a .env file
	secret    keystore.Secret // the new client secret
	authtoken keystore.Secret // the new ngrok authtoken
	password  keystore.Secret // the new one of the proxy's user
	old       map[string]bool // the accounts that the keystore has
	readOnly  bool
	setInEnv  []string // environment variables that a person has to set
}

func (s *session) readConfig(context.Context) error {
	c, err := config.Load(s.ConfigPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // with file and line; a file a person wrote is not overwritten
	}
	s.config, s.before = c, c
	return nil
}

// hasSecret reports whether the keystore has the client secret of this provider:
// one that belongs to another is not shown to it.
func (s *session) hasSecret() bool {
	return s.old[keystore.IDPClientSecret] && wizard.SameSecret(s.before.IDP.Issuer, s.config.IDP.Issuer)
}

func (s *session) readEnvFile(context.Context) error {
	if s.FromEnv == "" {
		return nil
	}
	vars, err := readEnvFile(s.FromEnv)
	if err != nil {
		return err
	}
	s.domain = vars["OKTA_DOMAIN"]
	s.put(&s.config.IDP.Issuer, s.domain, wizard.Address)
	s.put(&s.config.IDP.ClientID, vars["OKTA_CLIENT_ID"], wizard.Trim)
	if domain := ngrokDomain(vars["BASE_URL"]); domain != "" {
		// The tunnel has to ask for it; clients see it without being told.
		s.config.PublicURL, s.config.Tunnel.Provider, s.config.Tunnel.Domain = "", config.TunnelNgrok, domain
	} else {
		s.put(&s.config.PublicURL, vars["BASE_URL"], wizard.PublicURL)
	}
	s.secret, s.authtoken = keystore.NewSecret(vars["OKTA_CLIENT_SECRET"]), keystore.NewSecret(vars["NGROK_AUTHTOKEN"])
	return nil
}

// readFlags takes the flags. What is wrong with them, and was not before, is
// wrong usage.
func (s *session) readFlags(context.Context) error {
	known := config.Errors(s.config.Validate())
	as := func(given string) string { return given }
	s.put(&s.config.IDP.Issuer, s.Issuer, wizard.Address)
	s.put(&s.config.IDP.ClientID, s.ClientID, wizard.Trim)
	s.put(&s.config.IDP.Audience, s.Audience, as)
	s.put(&s.config.PublicURL, s.PublicURL, wizard.PublicURL)
	s.put(&s.config.Listen, s.Listen, as)
	s.put(&s.config.Tunnel.Provider, s.TunnelProvider, as)
	s.put(&s.config.Tunnel.Domain, s.TunnelDomain, wizard.Domain)
	s.put(&s.config.Network.Proxy, s.Proxy, as)
	s.put(&s.config.Network.CAFile, s.CAFile, as)
	if s.NoProxy != nil {
		s.config.Network.NoProxy = s.NoProxy
	}
	flags := config.Access{Emails: s.Emails, Domains: s.Domains, Groups: s.Groups, Anyone: s.Anyone}
	if !flags.Empty() {
		s.config.Access = flags
	}
	var wrong []error
	for _, e := range config.Errors(s.config.Validate()) {
		if !slices.ContainsFunc(known, func(k *config.Error) bool { return k.Error() == e.Error() }) {
			wrong = append(wrong, e)
		}
	}
	if len(wrong) > 0 {
		return UsageError{errors.Join(wrong...)}
	}
	return nil
}

// put takes what was given, as it is meant, and says so where that differs.
func (s *session) put(to *string, given string, as func(string) string) {
	if given == "" {
		return
	}
	if *to = as(given); *to != given {
		s.print("Read %s as %s\n", given, *to)
	}
}

// readSecrets learns what the keystore holds, before a person is asked
// anything: one that can't be read can't be written either.
func (s *session) readSecrets(ctx context.Context) error {
	if err := s.readStdin(); err != nil {
		return err
	}
	s.readOnly = keystore.IsReadOnly(s.Keystore)
	s.old = map[string]bool{}
	for _, account := range []string{keystore.IDPClientSecret, keystore.NgrokAuthtoken, keystore.ProxyPassword} {
		err := s.patiently(ctx, func() error {
			secret, err := s.Keystore.Get(ctx, account)
			s.old[account] = !secret.IsZero()
			return err
		})
		if err != nil && !errors.Is(err, keystore.ErrNotFound) {
			return err
		}
	}
	return nil
}

// readStdin takes the secrets that come on standard input, a line each.
func (s *session) readStdin() error {
	in := bufio.NewScanner(s.In)
	mayFollow := s.SecretStdin && s.config.TunnelProvider(false) == config.TunnelNgrok
	for _, line := range []struct {
		taken, needed bool
		to            *keystore.Secret
		flag, what    string
	}{
		{s.SecretStdin, true, &s.secret, "--secret-stdin", "the client secret"},
		{s.AuthtokenStdin || mayFollow, s.AuthtokenStdin, &s.authtoken, "--authtoken-stdin", "the ngrok authtoken"},
	} {
		if !line.taken {
			continue
		}
		there := in.Scan()
		secret := keystore.NewSecret(strings.TrimSpace(in.Text()))
		switch {
		case line.needed && !there:
			return fmt.Errorf("%s: standard input holds no line with %s", line.flag, line.what)
		case line.needed && secret.IsZero():
			return fmt.Errorf("%s: the line of standard input for %s is empty", line.flag, line.what)
		case there:
			*line.to = secret
		}
	}
	return nil
}

// patiently repeats call as long as the keychain shows its window to the
// person who sits here.
func (s *session) patiently(ctx context.Context, call func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	told := false
	for {
		err := call()
		var e *keystore.Error
		if s.terminal == nil || !errors.As(err, &e) || !e.Waiting || ctx.Err() != nil {
			return err
		}
		if !told {
			s.print("The keychain is locked: answer its window, or unlock it.\n")
			told = true
		}
	}
}

// save stores secrets and configuration as one.
func (s *session) save(ctx context.Context) error {
	err := wizard.Save(ctx, wizard.Saving{Path: s.ConfigPath, Config: s.config, Keystore: s.Keystore, Patiently: s.patiently,
		Secrets: map[string]keystore.Secret{keystore.IDPClientSecret: s.secret, keystore.NgrokAuthtoken: s.authtoken, keystore.ProxyPassword: s.password}})
	var env *wizard.ErrSetInEnvironment
	if errors.As(err, &env) {
		s.setInEnv = env.Names
	} else if err != nil {
		return err
	}
	if s.readOnly && !s.old[keystore.IDPClientSecret] && s.secret.IsZero() {
		s.setInEnv = append(s.setInEnv, keystore.EnvVar(keystore.IDPClientSecret))
	}
	if s.readOnly && !s.old[keystore.NgrokAuthtoken] && s.authtoken.IsZero() && s.config.TunnelProvider(false) == config.TunnelNgrok {
		s.setInEnv = append(s.setInEnv, keystore.EnvVar(keystore.NgrokAuthtoken))
	}
	s.config, err = config.Load(s.ConfigPath) // what is reported is what will run
	return err
}

// callbackPath is where the provider sends people back to.
const callbackPath = "/auth/callback"

// report says what was saved and what to do next.
func (s *session) report() {
	s.print("\nSaved %s\n", s.ConfigPath)
	if !s.readOnly {
		s.print("The client secret is in the keychain, under %s, %s.\n", keystore.Service, keystore.IDPClientSecret)
		if s.FromEnv != "" && !s.secret.IsZero() {
			s.print("%s is not needed any more: delete it, or take the secret out of it.\n", s.FromEnv)
		}
	}
	for _, name := range s.setInEnv {
		s.print("Secrets come from the environment, so none was stored: set %s before you start Drawbridge.\n", name)
	}
	s.print("\nAt the provider, allow this sign-in redirect URI:\n")
	if url := s.config.URL(); url != "" {
		s.print("    %s%s\n", url, callbackPath)
	} else {
		s.print("    https://NAME%s, where https://NAME is the address that the tunnel gets\n", callbackPath)
	}
	s.print("Who may sign in: %s\n", who(s.config.Access))
	if kind, _ := wizard.KindOf(s.config.IDP); kind == wizard.Okta {
		s.print("Later, for sign-ins without a page (Cross App Access): add the client with `drawbridge client add`; the console's page Clients shows what to enter at Okta.\n")
	}
	s.print("Next: drawbridge run (and `drawbridge doctor` checks everything)\n")
}

// who is an access list in words.
func who(a config.Access) string {
	who := slices.Clone(a.Emails)
	for _, d := range a.Domains {
		who = append(who, "everyone at "+strings.TrimPrefix(d, "@"))
	}
	for _, g := range a.Groups {
		who = append(who, "group "+g)
	}
	if a.Anyone {
		who = append(who, "anyone whom the provider signs in")
	}
	return strings.Join(who, ", ")
}

// print writes to the person. If that fails there is nobody to tell.
func (s *session) print(format string, args ...any) {
	_, _ = fmt.Fprint(s.Out, inTongue(fmt.Sprintf(format, args...)))
}

// inTongue is text in the language of the system.
func inTongue(text string) string {
	said := strings.Trim(text, "\n ")
	return strings.Replace(text, said, assets.Translate(assets.TextsForSystem().Lang, said), 1)
}
