// Package setup is what `drawbridge setup` does: it asks a person, or reads
// flags or a .env file, writes config.toml and puts secrets in the keychain.
//
// It never prints a secret, never writes one to a file, and saves nothing
// before everything has been checked.
//
// Start at [Run].
package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
)

// Options are the flags of `drawbridge setup`. What is empty comes from the
// .env file, from the configuration there is, or from the person.
type Options struct {
	ConfigPath string
	Keystore   keystore.Store
	In         io.Reader
	Out        io.Writer
	Terminal   Terminal // nil: In, if that is a terminal

	Issuer, ClientID, PublicURL, Listen, Audience string

	// Who may sign in; any of them replaces the whole list there is.
	Emails, Domains, Groups []string
	Anyone                  bool

	TunnelProvider, TunnelDomain string

	SecretStdin bool   // the client secret is In's first line; with ngrok the authtoken may be the second
	FromEnv     string // path of a FastMCP .env file
	Next        string // the command to name at the end; "" is `drawbridge run`
}

// Run does the whole setup. Its errors say what to give or mend; those about
// values are errors of package config. On an error nothing has been changed.
func Run(ctx context.Context, o Options) error {
	s := &session{Options: o, terminal: o.Terminal, next: o.Next}
	if s.terminal == nil && !o.SecretStdin {
		s.terminal = terminalOf(o.In, o.Out)
	}
	if s.next == "" {
		s.next = "drawbridge run"
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
	next     string

	config    config.Config
	secret    keystore.Secret // the new client secret
	authtoken keystore.Secret // the new ngrok authtoken
	old       keystore.Secret // the client secret the keystore has
	readOnly  bool
	setInEnv  []string // environment variables that a person has to set
}

func (s *session) readConfig(context.Context) error {
	c, err := config.Load(s.ConfigPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // with file and line; a file a person wrote is not overwritten
	}
	s.config = c
	return nil
}

func (s *session) readEnvFile(context.Context) error {
	if s.FromEnv == "" {
		return nil
	}
	env, err := readEnvFile(s.FromEnv)
	if err != nil {
		return err
	}
	put(&s.config.IDP.Issuer, env.issuer)
	put(&s.config.IDP.ClientID, env.clientID)
	put(&s.config.PublicURL, env.publicURL)
	s.secret = env.secret
	return nil
}

func (s *session) readFlags(context.Context) error {
	put(&s.config.IDP.Issuer, s.Issuer)
	put(&s.config.IDP.ClientID, s.ClientID)
	put(&s.config.IDP.Audience, s.Audience)
	put(&s.config.PublicURL, s.PublicURL)
	put(&s.config.Listen, s.Listen)
	put(&s.config.Tunnel.Provider, s.TunnelProvider)
	put(&s.config.Tunnel.Domain, s.TunnelDomain)
	flags := config.Access{Emails: s.Emails, Domains: s.Domains, Groups: s.Groups, Anyone: s.Anyone}
	if !flags.Empty() {
		s.config.Access = flags
	}
	return nil
}

func put(to *string, s string) {
	if s != "" {
		*to = s
	}
}

// readSecrets learns what the keystore holds, before a person is asked
// anything: one that can't be read can't be written either.
func (s *session) readSecrets(ctx context.Context) error {
	if s.SecretStdin {
		line, err := readLine(s.In)
		if err != nil {
			return errors.New("--secret-stdin: standard input holds no line with the client secret")
		}
		s.secret = keystore.NewSecret(strings.TrimSpace(line))
		if s.secret.IsZero() {
			return errors.New("--secret-stdin: the first line of standard input is empty")
		}
		if s.config.TunnelProvider(false) == config.TunnelNgrok {
			if line, err := readLine(s.In); err == nil {
				s.authtoken = keystore.NewSecret(strings.TrimSpace(line))
			}
		}
	}
	s.readOnly = keystore.IsReadOnly(s.Keystore)
	err := s.patiently(ctx, func() (err error) {
		s.old, err = s.Keystore.Get(ctx, keystore.IDPClientSecret)
		return err
	})
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return err
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

// check names all that is missing at once, then all that is wrong.
func (s *session) check(context.Context) error {
	var missing []string
	add := func(is bool, what string) {
		if is {
			missing = append(missing, what)
		}
	}
	lacks := s.config.Missing()
	add(slices.Contains(lacks, "idp.issuer"), "--issuer URL (the OpenID provider)")
	add(slices.Contains(lacks, "idp.client_id"), "--client-id ID (of the app at the provider)")
	add(s.secret.IsZero() && s.old.IsZero() && !s.readOnly, "--secret-stdin with the client secret on standard input")
	add(s.config.Access.Empty(), "who may sign in: --email, --domain, --group, or --anyone")
	if len(missing) > 0 {
		return fmt.Errorf("setup still needs %s", strings.Join(missing, "; "))
	}
	if err := s.config.Validate(); err != nil {
		return err
	}
	for _, given := range s.given() {
		if len(given.secret.Reveal()) > keystore.MaxSize {
			return &keystore.Error{Kind: keystore.TooBig, Account: given.account, Op: "set"}
		}
	}
	return nil
}

type given struct {
	account string
	secret  keystore.Secret // zero if the person gave none
}

func (s *session) given() []given {
	all := []given{{keystore.IDPClientSecret, s.secret}}
	if s.config.TunnelProvider(false) == config.TunnelNgrok {
		all = append(all, given{keystore.NgrokAuthtoken, s.authtoken})
	}
	return all
}

// save stores the secrets first: a configuration without its secret looks
// done and is not. If the file then can't be written, the old ones come back.
func (s *session) save(ctx context.Context) error {
	var undo []func()
	err := func() error {
		for _, g := range s.given() {
			back, err := s.store(ctx, g)
			if err != nil {
				return err
			}
			undo = append(undo, back)
		}
		return config.Save(s.ConfigPath, s.config)
	}()
	if err != nil {
		for _, back := range undo {
			back()
		}
		return err
	}
	s.config, err = config.Load(s.ConfigPath) // what is reported is what will run
	return err
}

// store puts one secret into the keystore and returns what takes it back.
func (s *session) store(ctx context.Context, g given) (undo func(), err error) {
	old, err := s.Keystore.Get(ctx, g.account)
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return nil, err
	}
	switch {
	case s.readOnly && (old.IsZero() || !g.secret.IsZero() && !g.secret.Equal(old)):
		s.setInEnv = append(s.setInEnv, keystore.EnvVar(g.account))
		return func() {}, nil
	case s.readOnly || g.secret.IsZero():
		return func() {}, nil
	}
	if err := s.patiently(ctx, func() error { return s.Keystore.Set(ctx, g.account, g.secret) }); err != nil {
		return nil, err
	}
	return func() {
		// Also when ctx has ended: half a setup is worse than a late one.
		ctx := context.WithoutCancel(ctx)
		if old.IsZero() {
			_ = s.Keystore.Delete(ctx, g.account)
		} else {
			_ = s.Keystore.Set(ctx, g.account, old)
		}
	}, nil
}
