package cli

import (
	"github.com/drawbridge-app/drawbridge/server/setup"
)

type setUp struct {
	Issuer         string   `placeholder:"URL"`
	ClientID       string   `name:"client-id" placeholder:"ID"`
	Audience       string   `placeholder:"AUD"`
	PublicURL      string   `name:"public-url" placeholder:"URL"`
	Listen         string   `placeholder:"ADDR"`
	Email          []string `placeholder:"ADDRESS"`
	Domain         []string `placeholder:"DOMAIN"`
	Group          []string `placeholder:"GROUP"`
	Anyone         bool
	Tunnel         string   `placeholder:"ngrok|none"`
	TunnelDomain   string   `placeholder:"HOST"`
	Proxy          string   `placeholder:"URL"`
	NoProxy        []string `placeholder:"HOST"`
	CAFile         string   `name:"ca-file" placeholder:"FILE" type:"path"`
	SecretStdin    bool
	AuthtokenStdin bool
	FromEnv        string `placeholder:"FILE" type:"path"`
}

func (c setUp) Run(a *app) error {
	return setup.Run(a.ctx, setup.Options{ConfigPath: a.config, Keystore: a.secrets, In: a.in, Out: a.out.Writer,
		Issuer: c.Issuer, ClientID: c.ClientID, Audience: c.Audience, PublicURL: c.PublicURL, Listen: c.Listen,
		Emails: c.Email, Domains: c.Domain, Groups: c.Group, Anyone: c.Anyone, TunnelProvider: c.Tunnel, TunnelDomain: c.TunnelDomain,
		Proxy: c.Proxy, NoProxy: c.NoProxy, CAFile: c.CAFile, SecretStdin: c.SecretStdin, AuthtokenStdin: c.AuthtokenStdin, FromEnv: c.FromEnv})
}
