package cli

import "github.com/drawbridge-app/drawbridge/server/setup"

type setUp struct{ setup.Options }

func (c setUp) Run(a *app) error {
	c.ConfigPath, c.Keystore, c.In, c.Out = a.config, a.secrets, a.in, a.out.Writer
	return setup.Run(a.ctx, c.Options)
}
