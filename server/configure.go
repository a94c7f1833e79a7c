package server

import (
	"context"
	"fmt"
	"os"
	"reflect"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// apply makes cfg the configuration of the moment: at once where that touches
// nobody (who may sign in, who may use what, which tools are on), else by a new
// start, for which clients wait a moment. Sessions that cfg no longer allows
// end. After an error everything is as it was.
func (s *Server) apply(cfg config.Config, secretsChanged bool) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.mu.Lock()
	old, now, l := s.cfg, s.now, s.listener
	s.mu.Unlock()
	defer s.board.Wake()
	if now != nil && !secretsChanged && l.at(cfg.Listen) && reflect.DeepEqual(fixed(cfg), fixed(old)) {
		s.mu.Lock()
		s.cfg = cfg
		s.mu.Unlock()
		return now.adjust(cfg)
	}
	if !l.at(cfg.Listen) {
		var err error
		if l, err = s.listen(cfg.Listen); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.cfg, s.unset, s.listener = cfg, nil, l
	first := now == nil
	if first {
		s.now = newServing(s.app, cfg, l)
	}
	s.mu.Unlock()
	if first {
		s.changed <- struct{}{}
	} else {
		s.renew()
	}
	return nil
}

// renew has the configuration of the moment served anew.
func (s *Server) renew() {
	if v := s.current(); v != nil {
		v.end()
	}
}

// fixed is cfg without what may change while it is served.
func fixed(cfg config.Config) config.Config {
	cfg.Listen = ""
	cfg.Access, cfg.Tools, cfg.Limits, cfg.Servers = config.Access{}, config.Tools{}, config.Limits{}, nil
	return cfg
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
	if err != nil && s.now == nil {
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
