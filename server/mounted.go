package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/endpoints"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// What the owner does with mounted servers. [config.BuiltIn] is the server of the
// built-in tools.

func (s *Server) mounted() (*endpoints.Endpoints, error) {
	return ask(s, func(p *parts) (*endpoints.Endpoints, error) { return p.endpoints, nil })
}

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
func (s *Server) SwitchTool(_ context.Context, server, tool string, on bool) error {
	if s.opts.ConfigFile == "" {
		return errors.New("this Drawbridge has no configuration to change: it runs as a demo")
	}
	err := config.Edit(s.opts.ConfigFile, func(c *config.Config) error {
		if server == config.BuiltIn {
			own := map[string]*bool{"echo": &c.Tools.Echo, "add": &c.Tools.Add, "whoami": &c.Tools.Whoami}[tool]
			if own == nil {
				return fmt.Errorf("there is no tool %s", tool)
			}
			*own = on
			return nil
		}
		settings := c.Servers[server]
		settings.ToolsOff = slices.DeleteFunc(slices.Clone(settings.ToolsOff), func(name string) bool { return name == tool })
		switch {
		case !on:
			settings.ToolsOff = append(settings.ToolsOff, tool)
		case config.MatchAny(settings.ToolsOff, tool):
			return fmt.Errorf("a pattern switches %s off: change tools_off in the table [server.%s] of config.toml", tool, server)
		}
		if c.Servers == nil {
			c.Servers = map[string]config.ServerSettings{}
		}
		c.Servers[server] = settings
		return nil
	})
	if err != nil {
		return err
	}
	return s.load(false)
}

// PutServer changes what mcp.json says of a server. Secrets in clear go to the
// keychain.
func (s *Server) PutServer(ctx context.Context, entry config.Server) error {
	e, err := s.mounted()
	if err != nil {
		return err
	}
	if store := s.storeSecret(ctx); store != nil {
		for name, secret := range entry.Conceal() {
			if err := store(entry.Name, name, secret); err != nil {
				return err
			}
		}
	}
	return e.Edit(func(path string) error { return config.PutServer(path, entry) })
}

// RemoveServer takes a server out of mcp.json, with its settings and secrets.
func (s *Server) RemoveServer(ctx context.Context, name string) error {
	e, err := s.mounted()
	if err != nil {
		return err
	}
	var secrets []string
	err = e.Edit(func(string) (err error) {
		secrets, err = config.Unmount(s.opts.ConfigFile, name)
		return err
	})
	if err == nil {
		err = s.load(false)
	}
	for _, secret := range secrets {
		if err == nil && !keystore.IsReadOnly(s.opts.Keystore) {
			if err = s.opts.Keystore.Delete(ctx, keystore.ServerSecret(name, secret)); errors.Is(err, keystore.ErrNotFound) {
				err = nil
			}
		}
	}
	return err
}

// SetSecret stores a secret of a server, which starts again with it.
func (s *Server) SetSecret(ctx context.Context, server, name, value string) error {
	e, err := s.mounted()
	if err != nil {
		return err
	}
	entry, _ := e.Server(server)
	if value = strings.TrimSpace(value); value == "" {
		return errors.New("nothing was stored: the value is empty")
	}
	if !slices.Contains(config.Secrets(entry), name) {
		return fmt.Errorf("the server %s uses no secret of that name", server)
	}
	if err := s.opts.Keystore.Set(ctx, keystore.ServerSecret(server, name), keystore.NewSecret(value)); err != nil {
		return err
	}
	s.missing.Delete(keystore.ServerSecret(server, name))
	if entry.Off {
		return nil
	}
	return e.Restart(server)
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
	e, err := s.mounted()
	if err != nil {
		return err
	}
	return e.Edit(func(string) error { return plan.Save(s.storeSecret(ctx)) })
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
