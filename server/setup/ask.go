package setup

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// question asks a person for something. Enter keeps what is there.
type question struct {
	given  bool                                          // by a flag or the .env file, or seldom needed
	mends  []string                                      // the fields whose problems it mends
	answer func(ctx context.Context, field string) error // field is what was wrong; "" the first time
}

// questions are in the order in which they are asked.
func (s *session) questions() []question {
	c, t := &s.config, &s.config.Tunnel
	text := func(prompt string, to *string, key string, needed bool, as func(string) string) func(context.Context, string) error {
		return func(ctx context.Context, _ string) error { return s.askText(ctx, prompt, to, key, needed, as) }
	}
	tunnelGiven := s.TunnelProvider != "" || s.FromEnv != "" || s.PublicURL != ""
	tokenGiven := tunnelGiven && s.FromEnv == "" || s.FromEnv != "" && s.old[keystore.NgrokAuthtoken] || !s.authtoken.IsZero()
	ngrok := t.Provider == config.TunnelNgrok
	access := config.Access{Emails: s.Emails, Domains: s.Domains, Groups: s.Groups, Anyone: s.Anyone}
	return []question{
		{s.Issuer != "" || s.FromEnv != "", []string{wizard.FieldKind, wizard.FieldIssuer, wizard.FieldDomain, wizard.FieldServer, wizard.FieldTenant, wizard.FieldURL, wizard.FieldRealm},
			text("Issuer URL of the OpenID provider, or its domain", &c.IDP.Issuer, "idp.issuer", true, wizard.Address)},
		{true, []string{wizard.FieldProxy, wizard.FieldProxyPassword, wizard.FieldNoProxy, wizard.FieldCAFile}, s.askNetwork},
		{s.ClientID != "" || s.FromEnv != "", []string{wizard.FieldClientID}, text("Client ID", &c.IDP.ClientID, "idp.client_id", true, wizard.Trim)},
		{!s.secret.IsZero(), []string{wizard.FieldClientSecret}, s.askSecret},
		{tunnelGiven, []string{wizard.FieldTunnel}, text(`Tunnel to the internet: "ngrok" or "none"`, &t.Provider, "tunnel.provider", false, wizard.Trim)},
		{tunnelGiven || !ngrok, []string{wizard.FieldTunnelDomain},
			text("Your ngrok domain, such as name.ngrok.app (empty: ngrok chooses)", &t.Domain, "tunnel.domain", false, wizard.Domain)},
		{tokenGiven || !ngrok, []string{wizard.FieldAuthtoken}, func(ctx context.Context, _ string) error {
			return s.readSecret(ctx, "ngrok authtoken (not shown; Enter keeps what there is): ", &s.authtoken, wizard.Authtoken)
		}},
		{s.PublicURL != "" || s.FromEnv != "" || ngrok, []string{wizard.FieldPublicURL},
			text("Public URL, if something else brings the internet here (empty: this machine only)", &c.PublicURL, "public_url", false, wizard.PublicURL)},
		{!access.Empty(), []string{wizard.FieldEmails, wizard.FieldDomains, wizard.FieldGroups}, s.askAccess},
	}
}

// ask fills in from the person what neither flags nor the .env file gave. One
// answer may settle whether the next question is asked.
func (s *session) ask(ctx context.Context) error {
	if s.terminal == nil {
		return nil
	}
	for i := range s.questions() {
		if q := s.questions()[i]; !q.given {
			if err := q.answer(ctx, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// askAgain has a person mend a problem.
func (s *session) askAgain(ctx context.Context, p wizard.Problem) error {
	s.print("%s\n", p)
	for _, q := range s.questions() {
		if slices.Contains(q.mends, p.Field) {
			return q.answer(ctx, p.Field)
		}
	}
	return errors.New(p.String())
}

// askNetwork asks for what of [network] the way out wants.
func (s *session) askNetwork(ctx context.Context, field string) error {
	n := &s.config.Network
	before := n.Proxy
	switch {
	case field == wizard.FieldCAFile:
		return s.askText(ctx, "PEM file with your company's authority (empty: none)", &n.CAFile, "network.ca_file", false, strings.TrimSpace)
	case field == wizard.FieldProxyPassword && strings.Contains(n.Proxy, "@"):
		return s.askPassword(ctx)
	}
	err := s.askText(ctx, "Proxy of this network, such as http://proxy.example.com:8080, with NAME@ before the host if it wants a name (empty: none)", &n.Proxy, "network.proxy", false, strings.TrimSpace)
	if err == nil && strings.Contains(n.Proxy, "@") && n.Proxy != before {
		err = s.askPassword(ctx)
	}
	return err
}

func (s *session) askPassword(ctx context.Context) error {
	return s.readSecret(ctx, "Password of the proxy (not shown; Enter keeps what there is): ", &s.password, strings.TrimSpace)
}

func (s *session) askSecret(ctx context.Context, _ string) error {
	prompt := "Client secret (not shown): "
	if s.hasSecret() {
		prompt = "Client secret (not shown; Enter keeps the one in the keychain): "
	}
	for {
		if err := s.readSecret(ctx, prompt, &s.secret, strings.TrimSpace); err != nil {
			return err
		}
		if !s.secret.IsZero() || s.hasSecret() || s.readOnly {
			return nil
		}
		s.print("It can't be empty.\n")
	}
}

func (s *session) askAccess(ctx context.Context, _ string) error {
	old := s.config.Access
	return s.askLine(ctx, "Who may sign in? E-mail addresses, @domains, group:NAME, or anyone; with commas", who(old), func(line string) string {
		if s.config.Access = old; line != "" {
			s.config.Access = parseAccess(line)
		}
		if s.config.Access.Empty() {
			return "Nobody could sign in then"
		}
		return s.problem("access")
	})
}

// parseAccess reads an answer such as "ana@example.com, @example.org,
// group:admins".
func parseAccess(line string) config.Access {
	var people, groups []string
	anyone := false
	for word := range strings.SplitSeq(line, ",") {
		word = strings.TrimSpace(word)
		if group, isGroup := strings.CutPrefix(word, "group:"); isGroup {
			groups = append(groups, group)
		} else if strings.EqualFold(word, "anyone") {
			anyone = true
		} else {
			people = append(people, word)
		}
	}
	return wizard.Access(strings.Join(people, "\n"), "", strings.Join(groups, "\n"), anyone)
}

// askText asks for the value of key, read by as.
func (s *session) askText(ctx context.Context, prompt string, to *string, key string, needed bool, as func(string) string) error {
	old := *to
	return s.askLine(ctx, prompt, old, func(line string) string {
		*to = old
		s.put(to, line, as)
		if *to == "" && needed {
			return "It is needed"
		}
		return s.problem(key)
	})
}

// askLine asks, with what there is now in brackets, until take finds no problem.
func (s *session) askLine(ctx context.Context, prompt, now string, take func(line string) (problem string)) error {
	prompt = inTongue(prompt)
	if now != "" {
		prompt += " [" + now + "]"
	}
	for {
		line, err := s.terminal.ReadLine(ctx, prompt+": ")
		if err != nil {
			return err
		}
		problem := take(strings.TrimSpace(line))
		if problem == "" {
			return nil
		}
		s.print("%s.\n", problem)
	}
}

// readSecret asks for a secret. What can't be stored is not asked for.
func (s *session) readSecret(ctx context.Context, prompt string, to *keystore.Secret, as func(string) string) error {
	if s.readOnly {
		return nil
	}
	text, err := s.terminal.ReadSecret(ctx, inTongue(prompt))
	if secret := keystore.NewSecret(as(text)); err == nil && !secret.IsZero() {
		*to = secret
	}
	return err
}

// problem is what the configuration has to say about key, or about the keys
// of a table.
func (s *session) problem(key string) string {
	for _, e := range config.Errors(s.config.Validate()) {
		if e.Key == key || strings.HasPrefix(e.Key, key+".") {
			return e.Msg
		}
	}
	return ""
}
