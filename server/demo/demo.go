// Package demo is `drawbridge demo`: the whole of Drawbridge on this computer,
// with an OpenID provider of its own, two made-up people and nothing to set up.
// It is the only way to that provider: nothing that serves in earnest imports
// this package. Start at [New].
package demo

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// Demo is a running demo.
type Demo struct {
	Server   *server.Server
	provider *demo.Running
	dataDir  string
	own      bool // dataDir is ours to remove
	stop     context.CancelFunc
}

// New starts the provider and takes what the server needs. The configuration,
// but for o.Listen, and the keystore are the demo's; without a data folder it makes one and removes
// it at the end.
func New(ctx context.Context, o server.Options) (*Demo, error) {
	ctx, stop := context.WithCancel(ctx)
	d := &Demo{dataDir: o.DataDir, stop: stop}
	var err error
	if d.provider, err = demo.Start(ctx, "127.0.0.1:0"); err != nil {
		stop()
		return nil, fmt.Errorf("start the demo's provider: %w", err)
	}
	if d.dataDir == "" {
		d.own = true
		if d.dataDir, err = os.MkdirTemp("", "drawbridge-demo-"); err != nil {
			stop()
			return nil, fmt.Errorf("make the demo's data folder: %w", err)
		}
	}
	o.Config = config.Default()
	o.Config.Listen = cmp.Or(o.Listen, o.Config.Listen)
	o.Config.Tunnel.Provider = "none"
	o.Config.IDP.Issuer, o.Config.IDP.ClientID = d.provider.Issuer, demo.ClientID
	o.Config.Access.Anyone, o.Config.Enterprise.Enabled = true, true
	o.DataDir, o.ThrowAway, o.Keystore = d.dataDir, true, keystore.Memory()
	if err := o.Keystore.Set(ctx, keystore.IDPClientSecret, keystore.NewSecret(demo.ClientSecret)); err != nil {
		d.clean()
		return nil, err
	}
	if d.Server, err = server.New(o); err != nil {
		d.clean()
		return nil, err
	}
	return d, nil
}

// Run serves until ctx ends.
func (d *Demo) Run(ctx context.Context) error {
	defer d.clean()
	ctx, end := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer end() // it may have been told to quit
		return d.Server.Run(ctx)
	})
	group.Go(func() error {
		<-ctx.Done()
		d.stop()
		return d.provider.Wait()
	})
	return group.Wait()
}

func (d *Demo) clean() {
	d.stop()
	if d.own {
		_ = os.RemoveAll(d.dataDir)
	}
}

// Issuer is the URL of the built-in provider.
func (d *Demo) Issuer() string { return d.provider.Issuer }

// DataDir is the data folder, by which commands find this demo.
func (d *Demo) DataDir() string { return d.dataDir }

// Provider runs the provider alone, until ctx ends, and prints its issuer. Without
// addr it takes any free port.
func Provider(ctx context.Context, addr string, w io.Writer) error {
	p, err := demo.Start(ctx, cmp.Or(addr, "127.0.0.1:0"))
	if err != nil {
		return fmt.Errorf("start the demo's provider: %w", err)
	}
	_, _ = fmt.Fprintf(w, "issuer %s\nclient id %s, client secret %s, people alice and bob\n", p.Issuer, demo.ClientID, demo.ClientSecret)
	return p.Wait()
}
