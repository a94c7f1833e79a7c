package server

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
)

// publicURL is what clients see as far as the configuration tells: "" if only
// the tunnel can.
func publicURL(cfg config.Config, local string) string {
	if cfg.PublicURL == "" && cfg.TunnelProvider(false) != config.TunnelNgrok {
		return local
	}
	return cfg.URL()
}

// settle decides who brings the internet here and under what address. The state
// file is open. It returns an error of the keystore if that has to be asked and
// can't be.
func (v *serving) settle() error {
	a, cfg := v.app, v.config()
	through, err := v.wantsTunnel(cfg)
	if err != nil {
		return err
	}
	if !through {
		v.public.Settle(cmp.Or(cfg.PublicURL, v.listener.local))
		return nil
	}
	ask := cfg.PublicURL
	if cfg.Tunnel.Domain != "" {
		ask = "https://" + hostname.Lower(cfg.Tunnel.Domain)
	}
	v.public.Open(cmp.Or(cfg.PublicURL, ask, a.unlocked().url), ask, a.ngrok(cfg), func() *http.Server {
		return a.httpServer(v.public.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(v.answers.Load().tunnel, w, r)
		})))
	})
	if a.paused.Load() {
		v.public.Pause()
	}
	return nil
}

// ngrok is the tunnel's provider as cfg has it, with the keychain's authtoken.
func (a *app) ngrok(cfg config.Config) tunnel.Ngrok {
	return tunnel.Ngrok{Authtoken: a.authtoken, ConnectURL: cfg.Tunnel.ConnectURL, ConnectCAs: cfg.Tunnel.ConnectCAs, Network: a.opts.network(cfg.Network), Version: a.opts.Version}
}

// wantsTunnel reports whether there is to be one. Where the configuration leaves
// it open, an authtoken decides.
func (v *serving) wantsTunnel(cfg config.Config) (bool, error) {
	if cfg.TunnelProvider(true) != config.TunnelNgrok || cfg.TunnelProvider(false) == config.TunnelNgrok {
		return cfg.TunnelProvider(true) == config.TunnelNgrok, nil
	}
	_, err := v.app.opts.Keystore.Get(v.ctx, keystore.NgrokAuthtoken)
	if errors.Is(err, keystore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
