package setup

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// check names all that is missing at once, then all that is wrong.
func (s *session) check(ctx context.Context) error {
	var missing []string
	add := func(is bool, what string) {
		if is {
			missing = append(missing, what)
		}
	}
	lacks := s.config.Missing()
	add(slices.Contains(lacks, "idp.issuer"), "--issuer URL (the OpenID provider)")
	add(slices.Contains(lacks, "idp.client_id"), "--client-id ID (of the app at the provider)")
	add(s.secret.IsZero() && !s.hasSecret() && !s.readOnly, "--secret-stdin with the client secret on standard input")
	add(s.config.Access.Empty(), "who may sign in: --email, --domain, --group, or --anyone")
	if len(missing) > 0 {
		return fmt.Errorf("setup still needs %s", strings.Join(missing, "; "))
	}
	if err := s.config.Validate(); err != nil {
		return err
	}
	return s.settle(ctx)
}

// settle has the wizard look at everything, as Setup's page does, and a person
// mend what can't be. What is entered at the provider, or can't be known while
// that is away, is said and keeps nobody from saving.
func (s *session) settle(ctx context.Context) error {
	for {
		c := wizard.Candidate{Config: s.config, ClientSecret: s.secret, Authtoken: s.authtoken, ProxyPassword: s.password, Former: s.before.IDP.Issuer}
		if url := s.config.URL(); url != "" {
			c.RedirectURI = url + callbackPath
		}
		r := s.lookAtProvider(ctx, &c)
		if r.Away {
			if again, err := s.wayOut(ctx, r.Problems[0]); again || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			r.Problems = nil
		}
		r.Add(s.Wizard.CheckTunnel(ctx, &c))
		r.Add(s.Wizard.CheckAccess(c))
		r.Problems = slices.DeleteFunc(r.Problems, func(p wizard.Problem) bool {
			later := p.Field == wizard.FieldRedirect || p.Field == wizard.FieldAuthtoken && s.authtoken.IsZero()
			if later {
				r.Notes = append(r.Notes, p.Sentence)
			}
			return later
		})
		if r.OK() {
			for _, note := range r.Notes {
				s.print("%s\n", note)
			}
			s.config = c.Config
			return nil
		}
		if s.terminal == nil {
			return errors.New(r.Problems[0].String())
		}
		for _, p := range r.Problems {
			if err := s.askAgain(ctx, p); err != nil {
				return err
			}
		}
	}
}

// lookAtProvider asks the provider where something about it is new, and puts
// into c what it calls itself.
func (s *session) lookAtProvider(ctx context.Context, c *wizard.Candidate) (r wizard.Report) {
	idp := c.Config.IDP
	if s.secret.IsZero() && reflect.DeepEqual(s.before.IDP, idp) && reflect.DeepEqual(s.before.Network, c.Config.Network) {
		return r
	}
	kind, form := wizard.Pasted(idp.Issuer, idp.ClientID)
	bare := s.domain != "" && idp.Issuer == wizard.Address(s.domain)
	if bare { // FastMCP's variable says that it is one
		kind, form = wizard.Okta, wizard.Form{wizard.FieldDomain: s.domain, wizard.FieldClientID: idp.ClientID}
	}
	r = s.Wizard.Locate(ctx, kind, form, c)
	c.Config.IDP.Audience = idp.Audience
	if !s.secret.IsZero() || s.hasSecret() {
		if r.OK() {
			r.Add(s.Wizard.CheckProvider(ctx, kind, c))
		}
	}
	if issuer := c.Config.IDP.Issuer; issuer != idp.Issuer || bare {
		as := ""
		if bare && !strings.Contains(s.domain, "/oauth2/") && !strings.Contains(issuer, "/oauth2/") {
			as = ", as FastMCP used it"
		}
		s.print("The issuer is %s%s\n", issuer, as)
	}
	return r
}

// wayOut says that the provider is away, and asks for what may be wanting of
// [network]. It returns whether that is another now.
func (s *session) wayOut(ctx context.Context, p wizard.Problem) (again bool, err error) {
	if s.terminal == nil || !slices.Contains([]string{wizard.FieldProxy, wizard.FieldProxyPassword, wizard.FieldCAFile}, p.Field) {
		s.print("%s It was not checked.\n", p)
		return false, nil
	}
	before, password := s.config.Network, s.password
	err = s.askAgain(ctx, p)
	return !reflect.DeepEqual(before, s.config.Network) || !password.Equal(s.password), err
}
