package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// What the owner does with mounted servers. [config.BuiltIn] is the server of the
// built-in tools.

// Offers returns what a server offers, as far as it has said so.
func (s *Server) Offers(server string) []status.Offer {
	return read(s, func(p *parts) []status.Offer { return p.endpoints.Offers(server) })
}

// Entry is what mcp.json says of a mounted server, and which of its secrets it
// asked for in vain; false if there is none of that name.
func (s *Server) Entry(server string) (entry config.Server, missing []string, ok bool) {
	p := s.parts()
	if p == nil {
		return entry, nil, false
	}
	entry, ok = p.endpoints.Server(server)
	for _, name := range config.Secrets(entry) {
		if _, isMissing := s.missing.Load(keystore.ServerSecret(server, name)); isMissing {
			missing = append(missing, name)
		}
	}
	return entry, missing, ok
}

// Try calls a tool as the owner of this computer, and returns the result of
// tools/call. History names the owner.
func (s *Server) Try(ctx context.Context, server, tool string, arguments json.RawMessage) (json.RawMessage, error) {
	return ask(s, func(p *parts) (json.RawMessage, error) { return p.endpoints.Try(ctx, server, tool, arguments) })
}

// SwitchTool turns a tool on or off for everybody, in config.toml.
func (s *Server) SwitchTool(ctx context.Context, server, tool string, on bool) error {
	return s.ChangeConfig(ctx, func(cfg *config.Config) error {
		if server == config.BuiltIn {
			own := map[string]*bool{"echo": &cfg.Tools.Echo, "add": &cfg.Tools.Add, "whoami": &cfg.Tools.Whoami}[tool]
			if own == nil {
				return fmt.Errorf("there is no tool %s", tool)
			}
			*own = on
			return nil
		}
		settings, pattern := cfg.Servers[server], config.PatternFor(tool)
		settings.ToolsOff = slices.DeleteFunc(slices.Clone(settings.ToolsOff), func(name string) bool { return name == pattern })
		switch {
		case !on:
			settings.ToolsOff = append(settings.ToolsOff, pattern)
		case config.MatchAny(settings.ToolsOff, tool):
			return fmt.Errorf("a pattern switches %s off: change tools_off in the table [server.%s] of config.toml", tool, server)
		}
		cfg.Servers = maps.Clone(cfg.Servers)
		if cfg.Servers == nil {
			cfg.Servers = map[string]config.ServerSettings{}
		}
		cfg.Servers[server] = settings
		return nil
	})
}

// PutServer changes what mcp.json says of a server. Secrets in clear go to the
// keychain.
func (s *Server) PutServer(ctx context.Context, entry config.Server) error {
	if store := s.storeSecret(ctx); store != nil {
		for name, secret := range entry.Conceal() {
			if err := store(entry.Name, name, secret); err != nil {
				return err
			}
		}
	}
	return s.rewrite(func(path string) error { return config.PutServer(path, entry) })
}

// rewrite has change write mcp.json, and takes over what it says then.
func (s *Server) rewrite(change func(path string) error) error {
	return s.do(func(p *parts) error { return p.endpoints.Edit(change) })
}

// RemoveServer takes a server out of mcp.json, with its settings and secrets.
func (s *Server) RemoveServer(ctx context.Context, name string) error {
	var secrets []string
	entry, _, _ := s.Entry(name)
	err := s.rewrite(func(string) (err error) {
		secrets, err = config.Unmount(s.opts.ConfigFile, name)
		return err
	})
	if err == nil {
		err = s.load(false)
	}
	if entry.ClientID != "" {
		secrets = append(secrets, serverauth.ClientSecret)
	}
	for _, secret := range secrets {
		if gone := s.opts.Keystore.Delete(ctx, keystore.ServerSecret(name, secret)); err == nil && !errors.Is(gone, keystore.ErrNotFound) && !keystore.IsReadOnly(s.opts.Keystore) {
			err = gone
		}
	}
	return err
}

// SetSecret stores a secret of a server, which starts again with it.
func (s *Server) SetSecret(ctx context.Context, server, name, value string) error {
	entry, _, _ := s.Entry(server)
	value = strings.TrimSpace(value)
	switch store := s.opts.Keystore; {
	case value == "":
		return errors.New("nothing was stored: the value is empty")
	case !slices.Contains(config.Secrets(entry), name):
		return fmt.Errorf("the server %s uses no secret of that name", server)
	case keystore.IsReadOnly(store):
		return fmt.Errorf("secrets come from the environment here: set %s instead, and start Drawbridge again", keystore.EnvVar(keystore.ServerSecret(server, name)))
	default:
		if err := store.Set(ctx, keystore.ServerSecret(server, name), keystore.NewSecret(value)); err != nil {
			return err
		}
	}
	s.missing.Delete(keystore.ServerSecret(server, name))
	if entry.Off {
		return nil
	}
	return s.RestartServer(server)
}

// Pasted is what would be added of what somebody pasted. Nothing is written.
func (s *Server) Pasted(text, name string) (config.Import, error) {
	return s.importer().Paste(text, name)
}

// Found is what could be added of other programs' servers on this computer.
func (s *Server) Found() (config.Import, error) { return s.importer().ImportServers("") }

func (s *Server) importer() config.Importer {
	st := s.status()
	return config.Importer{Path: s.opts.mcpFile(), Own: []string{st.MCPURL, st.LocalURL}, Places: config.ThisComputer()}
}

// Add mounts what plan holds. Secrets in clear go to the keychain.
func (s *Server) Add(ctx context.Context, plan config.Import) error {
	return s.rewrite(func(string) error { return plan.Save(s.storeSecret(ctx)) })
}

// storeSecret puts a server's secret into the keychain; nil if there is none to
// put it into.
func (s *Server) storeSecret(ctx context.Context) func(server, name, secret string) error {
	if keystore.IsReadOnly(s.opts.Keystore) {
		return nil
	}
	return func(server, name, secret string) error {
		return s.opts.Keystore.Set(ctx, keystore.ServerSecret(server, name), keystore.NewSecret(secret))
	}
}
