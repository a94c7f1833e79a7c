package setup

import (
	"context"
	"reflect"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// ask fills in from the person what neither flags nor the .env file gave.
// Enter keeps what is there. A value that can't be is asked for again.
func (s *session) ask(ctx context.Context) error {
	if s.terminal == nil {
		return nil
	}
	for _, q := range []func(context.Context) error{
		s.askIssuer, s.askNetwork, s.askClientID, s.askSecret, s.askTunnel, s.askPublicURL, s.askAccess,
	} {
		if err := q(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) askIssuer(ctx context.Context) error {
	if s.Issuer != "" || s.FromEnv != "" {
		return nil
	}
	return s.askText(ctx, "Issuer URL of the OpenID provider", &s.config.IDP.Issuer, "idp.issuer", true)
}

// askNetwork asks for [network] where the provider can't be reached without it,
// until it can be, or the person has nothing to say.
func (s *session) askNetwork(ctx context.Context) error {
	for {
		problem := s.Way(ctx, wizard.Candidate{Config: s.config, ProxyPassword: s.password})
		if problem == nil {
			return nil
		}
		s.print("%s\n", problem)
		before, password := s.config.Network, s.password
		var err error
		switch n := &s.config.Network; problem.Field {
		case wizard.FieldCAFile:
			err = s.askText(ctx, "PEM file with your company's authority (empty: none)", &n.CAFile, "network.ca_file", false)
		case wizard.FieldProxyPassword:
			if strings.Contains(n.Proxy, "@") {
				err = s.askPassword(ctx)
				break
			}
			fallthrough
		default:
			err = s.askText(ctx, "Proxy of this network, such as http://proxy.example.com:8080, with NAME@ before the host if it wants a name (empty: none)", &n.Proxy, "network.proxy", false)
			if err == nil && strings.Contains(n.Proxy, "@") && n.Proxy != before.Proxy {
				err = s.askPassword(ctx)
			}
		}
		if err != nil {
			return err
		}
		if reflect.DeepEqual(before, s.config.Network) && password.Equal(s.password) {
			return nil
		}
	}
}

func (s *session) askPassword(ctx context.Context) error {
	if s.readOnly {
		return nil
	}
	password, err := s.terminal.ReadSecret(ctx, "Password of the proxy (not shown; Enter keeps what there is): ")
	if err != nil {
		return err
	}
	if password = strings.TrimSpace(password); password != "" {
		s.password = keystore.NewSecret(password)
	}
	return nil
}

func (s *session) askClientID(ctx context.Context) error {
	if s.ClientID != "" || s.FromEnv != "" {
		return nil
	}
	return s.askText(ctx, "Client ID", &s.config.IDP.ClientID, "idp.client_id", true)
}

func (s *session) askSecret(ctx context.Context) error {
	if s.readOnly || !s.secret.IsZero() {
		return nil
	}
	prompt := "Client secret (not shown): "
	if s.hasSecret() {
		prompt = "Client secret (not shown; Enter keeps the one in the keychain): "
	}
	for {
		secret, err := s.terminal.ReadSecret(ctx, prompt)
		if err != nil {
			return err
		}
		s.secret = keystore.NewSecret(strings.TrimSpace(secret))
		if !s.secret.IsZero() || s.hasSecret() {
			return nil
		}
		s.print("It can't be empty.\n")
	}
}

func (s *session) askTunnel(ctx context.Context) error {
	t := &s.config.Tunnel
	if s.TunnelProvider != "" || s.FromEnv != "" || s.PublicURL != "" {
		if s.FromEnv != "" && t.Provider == config.TunnelNgrok && !s.old[keystore.NgrokAuthtoken] {
			return s.askAuthtoken(ctx)
		}
		return nil
	}
	if err := s.askText(ctx, `Tunnel to the internet: "ngrok" or "none"`, &t.Provider, "tunnel.provider", false); err != nil {
		return err
	}
	if t.Provider != config.TunnelNgrok {
		return nil
	}
	if err := s.askText(ctx, "Your ngrok domain, such as name.ngrok.app (empty: ngrok chooses)", &t.Domain, "tunnel.domain", false); err != nil {
		return err
	}
	return s.askAuthtoken(ctx)
}

func (s *session) askAuthtoken(ctx context.Context) error {
	if s.readOnly || !s.authtoken.IsZero() {
		return nil
	}
	token, err := s.terminal.ReadSecret(ctx, "ngrok authtoken (not shown; Enter keeps what there is): ")
	if err != nil {
		return err
	}
	s.authtoken = keystore.NewSecret(wizard.Authtoken(token))
	return nil
}

func (s *session) askPublicURL(ctx context.Context) error {
	if s.PublicURL != "" || s.FromEnv != "" || s.config.Tunnel.Provider == config.TunnelNgrok {
		return nil
	}
	return s.askText(ctx, "Public URL, if something else brings the internet here (empty: this machine only)", &s.config.PublicURL, "public_url", false)
}

func (s *session) askAccess(ctx context.Context) error {
	given := config.Access{Emails: s.Emails, Domains: s.Domains, Groups: s.Groups, Anyone: s.Anyone}
	if !given.Empty() {
		return nil
	}
	prompt := "Who may sign in? E-mail addresses, @domains, group:NAME, or anyone; with commas"
	if !s.config.Access.Empty() {
		prompt += " [" + s.who() + "]"
	}
	for {
		line, err := s.terminal.ReadLine(ctx, prompt+": ")
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) == "" {
			if !s.config.Access.Empty() {
				return nil
			}
			s.print("Nobody could sign in then.\n")
			continue
		}
		old := s.config.Access
		s.config.Access = parseAccess(line)
		problem := s.problem("access")
		if problem == "" {
			return nil
		}
		s.config.Access = old
		s.print("%s.\n", problem)
	}
}

// parseAccess reads an answer such as "ana@example.com, @example.org,
// group:admins".
func parseAccess(line string) config.Access {
	var a config.Access
	for word := range strings.SplitSeq(line, ",") {
		word = strings.TrimSpace(word)
		group, isGroup := strings.CutPrefix(word, "group:")
		switch {
		case word == "":
		case strings.EqualFold(word, "anyone"):
			a.Anyone = true
		case isGroup:
			a.Groups = append(a.Groups, strings.TrimSpace(group))
		case strings.HasPrefix(word, "@"):
			a.Domains = append(a.Domains, word[1:])
		default:
			a.Emails = append(a.Emails, word)
		}
	}
	return a
}

// askText asks for the value of key until it is one that can be.
func (s *session) askText(ctx context.Context, prompt string, to *string, key string, needed bool) error {
	old := *to
	if old != "" {
		prompt += " [" + old + "]"
	}
	for {
		line, err := s.terminal.ReadLine(ctx, prompt+": ")
		if err != nil {
			return err
		}
		*to = old
		put(to, strings.TrimSpace(line))
		problem := s.problem(key)
		if *to == "" && needed {
			problem = "It is needed"
		}
		if problem == "" {
			return nil
		}
		s.print("%s.\n", problem)
	}
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
