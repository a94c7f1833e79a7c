package server

import (
	"context"
	"encoding/json"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/updates"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// updateSetting is what the release feed said last, and when: it is asked once a
// day, however often Drawbridge starts.
const updateSetting = "update"

// updateEvery is how long the feed's answer is good for, updateAgain when it is
// asked again after it gave none.
const (
	updateEvery = 24 * time.Hour
	updateAgain = time.Hour
)

// updateLook is how often a look is taken whether a day has passed: the computer
// may have slept, and the keychain open late.
const updateLook = 5 * time.Second

type updateSeen struct {
	status.Update
	Feed  string    `json:"feed"`
	Asked time.Time `json:"asked"`
}

// wantsUpdates reports whether the feed of cfg is to be asked at all.
func (o *Options) wantsUpdates(cfg config.Config) bool {
	return cfg.Updates.Check && cfg.Updates.Feed != "" && updates.Released(o.Version)
}

// watchUpdates asks the release feed each day, until ctx ends.
func (s *Server) watchUpdates(ctx context.Context) error {
	said := ""
	for {
		s.mu.Lock()
		cfg := s.cfg
		s.mu.Unlock()
		if keys := s.unlocked(); keys != nil && s.opts.wantsUpdates(cfg) {
			now, last := s.opts.Now(), s.update.Load()
			if last == nil || last.Feed != cfg.Updates.Feed || now.Before(last.Asked) || now.Sub(last.Asked) >= updateEvery {
				said = s.askFeed(ctx, cfg, said)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(updateLook):
		}
	}
}

// askFeed asks it now. What is wrong with it is logged unless it was said before.
func (s *Server) askFeed(ctx context.Context, cfg config.Config, said string) string {
	seen := updateSeen{Feed: cfg.Updates.Feed, Asked: s.opts.Now().UTC()}
	var err error
	if seen.Update, err = updates.Look(ctx, s.opts.network(cfg.Network).Client(providerTime), seen.Feed); err != nil && ctx.Err() == nil && said != err.Error() {
		said = err.Error()
		s.opts.Log.Warn("the release feed ([updates] feed) says nothing that can be used; it is asked again in an hour", "cause", said)
	}
	if err != nil { // a computer that has just woken up may have no network yet
		seen.Asked = seen.Asked.Add(updateAgain - updateEvery)
		if last := s.update.Load(); last != nil && last.Feed == seen.Feed {
			seen.Update = last.Update
		}
	}
	s.update.Store(&seen)
	if value, err := json.Marshal(seen); err == nil && ctx.Err() == nil {
		if err := s.db.Save([]oauth.Change{{Bucket: settingsBucket, Key: updateSetting, Value: value}}); err != nil {
			s.opts.Log.Warn("when the release feed was asked is not saved", "cause", err)
		}
	}
	s.board.Wake()
	return said
}

// updateNotice is the newer release that there is, if that is wanted.
func (s *Server) updateNotice(cfg config.Config) status.Update {
	seen := s.update.Load()
	if seen == nil || !s.opts.wantsUpdates(cfg) || seen.Feed != cfg.Updates.Feed || !updates.Newer(seen.Update, s.opts.Version) {
		return status.Update{}
	}
	return seen.Update
}
