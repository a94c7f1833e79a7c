package server

import (
	"context"
	"fmt"
	"os"
	"reflect"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// apply makes cfg the configuration of the moment: at once where that touches
// nobody (who may sign in, who may use what, which tools are on), else by a new
// site, for which clients wait a moment. Sessions that cfg no longer allows
// end. After an error everything is as it was.
func (s *Server) apply(cfg config.Config, secretsChanged bool) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.mu.Lock()
	old, t, d := s.cfg, s.site, s.door
	s.mu.Unlock()
	if t != nil && !secretsChanged && d.at(cfg.Listen) && reflect.DeepEqual(fixed(cfg), fixed(old)) {
		return s.adjust(t, cfg)
	}
	if !d.at(cfg.Listen) {
		var err error
		if d, err = openDoor(s, cfg.Listen); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.cfg, s.unset, s.next = cfg, nil, d
	first := s.site == nil
	if first {
		s.door, s.site = d, s.newSite(cfg, d)
	}
	s.mu.Unlock()
	if first {
		s.serveDoor(d)
	}
	s.renew()
	s.board.Wake()
	return nil
}

// renew has the site put up anew.
func (s *Server) renew() {
	select {
	case s.rebuild <- struct{}{}:
	default:
	}
}

// fixed is cfg without what may change under a running site.
func fixed(cfg config.Config) config.Config {
	cfg.Listen = ""
	cfg.Access, cfg.Tools, cfg.Limits, cfg.Servers = config.Access{}, config.Tools{}, config.Limits{}, nil
	return cfg
}

// adjust changes what a running site can change.
func (s *Server) adjust(t *site, cfg config.Config) error {
	t.mu.Lock()
	t.cfg = cfg
	core := t.core
	t.mu.Unlock()
	s.mu.Lock()
	s.cfg = cfg
	s.mu.Unlock()
	defer s.board.Wake()
	if core == nil {
		return nil
	}
	return core.adjust(cfg)
}

// adjust has the parts take over what may change under them.
func (c *core) adjust(cfg config.Config) error {
	c.builtin.Set(tools(cfg))
	c.mounts.adjust(cfg)
	return c.store.SetAccess(accessList(cfg.Access))
}

// replaceSite puts up the site of the configuration of now in place of old.
func (s *Server) replaceSite(old *site) {
	old.dropCore()
	s.mu.Lock()
	between := s.between
	s.between = nil
	s.mu.Unlock()
	if between != nil {
		between()
	}
	s.mu.Lock()
	was := s.door
	if s.next != nil {
		s.door = s.next
	}
	now := s.door
	s.site, s.problem = s.newSite(s.cfg, now), ""
	s.mu.Unlock()
	if now != was {
		s.serveDoor(now)
		was.drain()
	}
	s.board.Wake()
}

// watchFiles applies changes that somebody makes to the configuration's files,
// until ctx ends. A file with a mistake changes nothing; status says so.
func (s *Server) watchFiles(ctx context.Context) error {
	if _, err := os.Stat(s.opts.ConfigFile); err == nil {
		s.reload() // what changed since it was read
	}
	if s.opts.ConfigFile != "" {
		config.Watch(ctx, []string{s.opts.ConfigFile}, s.reload)
	}
	return nil
}

// reload takes over what the configuration's file says now. After an error the
// one before still counts, and status says so.
func (s *Server) reload() {
	err := s.load(false)
	s.mu.Lock()
	s.stale = err
	if err != nil && s.site == nil {
		s.unset = err
	}
	s.mu.Unlock()
	if err != nil {
		s.opts.Log.Warn("the changed configuration was not taken", "cause", err)
	}
	s.board.Wake()
}

// load reads the file and applies it.
func (s *Server) load(secretsChanged bool) error {
	cfg, err := config.Load(s.opts.ConfigFile)
	if err != nil {
		return err
	}
	if missing := cfg.Missing(); len(missing) > 0 {
		return fmt.Errorf("the configuration lacks %s: begin with the provider", missing[0])
	}
	if s.opts.Listen != "" {
		cfg.Listen = s.opts.Listen
	}
	if err := s.apply(cfg, secretsChanged); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = nil
	return nil
}

// staleNote says that the file and what runs are not the same.
func (s *Server) staleNote(st *status.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale != nil {
		st.Notes = append(st.Notes, "The changed configuration was not taken, the one before still counts: "+sentence(s.stale))
	}
}
