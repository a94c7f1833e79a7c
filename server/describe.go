package server

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/doctor"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// status is what `drawbridge status` prints, without the number of sessions.
func (s *Server) status() status.Status {
	st := status.Status{State: status.Error, Version: s.opts.Version, PID: os.Getpid(), Servers: []status.Server{}, IDP: status.IDP{State: status.IDPOK}}
	s.mu.Lock()
	v, unset, stale := s.now, s.unset, s.stale
	st.Update = s.updateNotice(s.cfg)
	if s.ctl != nil {
		st.ConsoleURL = s.ctl.ConsoleURL()
	}
	s.mu.Unlock()
	if v == nil {
		why, _, _ := strings.Cut(unset.Error(), " Run `drawbridge setup`") // which is said below
		st.Error = "Drawbridge is not set up: " + status.FullStop(why) + " Open Setup with `drawbridge console`, or run `drawbridge setup`."
		st.IDP.State, st.Tunnel.State = status.IDPMisconfigured, tunnel.Off
		return st
	}
	v.describe(&st)
	if stale != nil {
		st.Notes = append(st.Notes, "The changed configuration was not taken, the one before still counts: "+status.FullStop(stale.Error()))
	}
	return st
}

// describe fills in what is known of the configuration that is served.
func (v *serving) describe(st *status.Status) {
	cfg, note := v.config(), ""
	st.State, _ = v.state()
	st.Error = v.why()
	st.LocalURL, st.IDP.Issuer = v.listener.local, cfg.IDP.Issuer
	if base := v.public.URL(); base != "" {
		st.MCPURL, st.Issuer = base+mcpPath, base
	}
	if st.Tunnel, note = v.public.Status(); note != "" {
		st.Notes = append(st.Notes, note)
	}
	if offer := v.offer(); offer != "" && st.Tunnel.State == tunnel.Down {
		st.Tunnel.Error = offer
		st.Tunnel.Offered, _, _ = v.public.Offer()
	}
	if p := v.running(); p != nil {
		st.IDP = p.provider.State()
		st.Servers = p.endpoints.Servers()
		st.Notes = append(st.Notes, p.endpoints.Notes()...)
	}
	if accessList(cfg.Access).Empty() {
		st.Notes = append(st.Notes, "Nobody may sign in: [access] in config.toml is empty. Run `drawbridge setup`, or add an address to emails.")
	}
}

// offer says what another URL would mean, if the tunnel's provider gives one.
func (v *serving) offer() string {
	offered, known, fixed := v.public.Offer()
	if offered == "" {
		return ""
	}
	var names []string
	if p := v.running(); p != nil {
		for _, c := range p.grants.Clients() {
			if c.Sessions > 0 && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	who := "No client is signed in, so none would break."
	if len(names) > 0 {
		who = "These clients would stop working until they get the new MCP URL and sign in again: " + strings.Join(names, ", ") + "."
	}
	how := "To accept it, run `drawbridge tunnel accept`; to keep the old one, store the authtoken of the ngrok account that has it (`drawbridge setup`), then run `drawbridge tunnel retry`."
	if fixed {
		how = "To accept it, change [tunnel] domain or public_url in config.toml and start Drawbridge again."
	}
	return fmt.Sprintf("ngrok now gives %s, but clients know %s. Nothing was changed. %s The MCP URL would be %s%s, and the provider would need the redirect URI %s. %s",
		offered, known, who, offered, mcpPath, authserver.RedirectURI(offered), how)
}

// Examine makes doctor's checks without a running server: of the configuration,
// the keychain and the provider.
func Examine(ctx context.Context, o Options) []status.Check {
	base := publicURL(o.Config, "http://"+o.Config.Listen)
	provider := idp.New(idp.Config{Issuer: o.Config.IDP.Issuer, ClientID: o.Config.IDP.ClientID, Scopes: o.Config.IDP.Scopes, HTTPClient: o.network(o.Config.Network).Client(providerTime),
		RedirectURI: authserver.RedirectURI(base), ClientSecret: func(ctx context.Context) (string, error) {
			return keystore.Text(ctx, o.Keystore, keystore.IDPClientSecret)
		}})
	return doctor.Run(ctx, o.patient(o.Config, base, provider))
}

// patient is what doctor looks at, also where nothing runs.
func (o *Options) patient(cfg config.Config, base string, provider *idp.Client) doctor.Patient {
	p := doctor.Patient{Config: cfg, Keystore: o.Keystore, Provider: provider, PublicURL: base, RedirectURI: authserver.RedirectURI(base), Network: o.network(cfg.Network)}
	var servers []config.Server
	if file := o.mcpFile(); file != "" {
		servers, p.Mistake = config.LoadServers(file)
	}
	servers, p.Notes = cfg.Mount(servers)
	for _, s := range servers {
		p.Notes = append(p.Notes, config.Notes(s)...)
		p.Servers = append(p.Servers, doctor.Server{Name: s.Name, Off: s.Off})
	}
	return p
}
