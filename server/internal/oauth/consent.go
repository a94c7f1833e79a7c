package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// consentTTL is how long "don't ask again" holds.
const consentTTL = 30 * 24 * time.Hour

// maxConsents bounds what is remembered in all; the oldest are forgotten.
const maxConsents = 1000

// consentRecord remembers that a person, in one browser, let one client in for
// one redirect URI, with these scopes. It is kept only once the sign-in that
// followed has succeeded.
type consentRecord struct {
	Version     int       `json:"v"`
	Browser     string    `json:"browser"` // hash of its cookie
	ClientID    string    `json:"client_id"`
	RedirectURI string    `json:"redirect_uri"`
	Resource    string    `json:"resource"`
	Scopes      []string  `json:"scopes"`
	ExpiresAt   time.Time `json:"expires_at"`
}

func (c consentRecord) key() string {
	sum := sha256.Sum256([]byte(c.Browser + "\x00" + c.ClientID + "\x00" + c.RedirectURI + "\x00" + c.Resource))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// MayRemember reports whether the person may choose not to be asked again. Of a
// client on their own computer anything that runs there could take the answer
// (RFC 8252 §8.6), so it asks each time.
func (f *Flow) MayRemember() bool { return strings.HasPrefix(f.RedirectURI, "https://") }

// ApproveRemembered goes on without asking, if the person said so before: in
// this browser, for this client, redirect URI (port included) and resource, and
// no larger scope. The caller has made sure that the person came here by
// themselves, not by a link on another site (the server in the middle of
// GHSA-6x8h-498w-gv8c), and that the client did not ask for consent.
func (s *Grants) ApproveRemembered(id, browser string) (*Flow, UpstreamRequest, bool) {
	s.mu.Lock()
	f, err := s.flow(id, browser)
	if err != nil || f.Asks || !f.MayRemember() {
		s.mu.Unlock()
		return nil, UpstreamRequest{}, false
	}
	c, ok := s.consents[f.consent(time.Time{}).key()]
	if !ok || !s.opts.Now().Before(c.ExpiresAt) || !subset(f.Scopes, c.Scopes) {
		s.mu.Unlock()
		return nil, UpstreamRequest{}, false
	}
	up := s.flows.sendUpstream(f)
	s.mu.Unlock()
	s.opts.Recorder.Record(f.event(status.ConsentApproved, status.OK, "remembered in this browser"))
	return f, up, true
}

func (f *Flow) consent(expires time.Time) consentRecord {
	return consentRecord{Version: 1, Browser: f.browser, ClientID: f.Client.ID, RedirectURI: f.RedirectURI,
		Resource: f.Resource, Scopes: f.Scopes, ExpiresAt: expires}
}

// rememberConsent returns the changes that keep f's consent, forgetting the
// oldest if there are too many.
func (s *Grants) rememberConsent(f *Flow) (consentRecord, []Change) {
	c := f.consent(s.opts.Now().Add(consentTTL).UTC())
	changes := []Change{change(BucketConsents, c.key(), c)}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.consents) < maxConsents {
		return c, changes
	}
	oldest := ""
	for key, r := range s.consents {
		if oldest == "" || r.ExpiresAt.Before(s.consents[oldest].ExpiresAt) {
			oldest = key
		}
	}
	return c, append(changes, Change{Bucket: BucketConsents, Key: oldest})
}

// forgetConsents returns the changes that forget the consents that match.
func (s *Grants) forgetConsents(match func(consentRecord) bool) []Change {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var changes []Change
	for key, c := range s.consents {
		if match(c) {
			changes = append(changes, Change{Bucket: BucketConsents, Key: key})
		}
	}
	return changes
}
