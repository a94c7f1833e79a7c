package console

import (
	"context"
	"maps"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// signInView is the owner's sign-in at a server that wants one of its own.
type signInView struct {
	status.SignIn
	Go       string // where a sign-in that was just begun goes on
	ClientID string // that the owner got there
}

func signInOf(r *Request, s status.Server, entry config.Server) *signInView {
	if s.SignIn.State == "" {
		return nil
	}
	v := &signInView{SignIn: s.SignIn, ClientID: entry.ClientID}
	v.Go, _ = r.Result.(string)
	return v
}

// signIn begins a sign-in, which goes on at the server's own pages.
func (c *Console) signIn(r *Request) (string, error) {
	name := r.URL.Query().Get("server")
	address, err := c.backend.SignInServer(r.Context(), name)
	r.Result = address
	return r.Say("servers.signin.begun", name), err
}

func (c *Console) signOut(r *Request) (string, error) {
	name := r.URL.Query().Get("server")
	return r.Say("servers.did.signout", name), c.backend.SignOutServer(r.Context(), name)
}

// signInAs says whose account is used at a server.
func (c *Console) signInAs(r *Request) (string, error) {
	return r.Say("servers.did.save", r.URL.Query().Get("server")), c.setServer(r.Context(), r.URL.Query().Get("server"), func(s *config.ServerSettings) {
		if s.SignIn = status.AsOwner; r.PostForm.Get("as") == status.AsEach {
			s.SignIn = status.AsEach
		}
	})
}

// signInClient saves what the owner got where Drawbridge can't register itself.
func (c *Console) signInClient(r *Request) (string, error) {
	name := r.URL.Query().Get("server")
	err := c.setServer(r.Context(), name, func(s *config.ServerSettings) { s.ClientID = strings.TrimSpace(r.PostForm.Get("id")) })
	if secret := r.PostForm.Get("secret"); secret != "" && err == nil {
		err = c.backend.SetSecret(r.Context(), name, config.ClientSecret, secret) // which is the client's, so after it
	}
	return r.Say("servers.did.save", name), err
}

func (c *Console) setServer(ctx context.Context, name string, change func(*config.ServerSettings)) error {
	return c.backend.ChangeConfig(ctx, func(cfg *config.Config) error {
		s := cfg.Servers[name]
		change(&s)
		cfg.Servers = maps.Clone(cfg.Servers)
		if cfg.Servers == nil {
			cfg.Servers = map[string]config.ServerSettings{}
		}
		cfg.Servers[name] = s
		return nil
	})
}
