package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// codeTTL is how long an authorization code lives. RFC 6749 §4.1.2 allows ten
// minutes; a browser's redirect and a client's next request need seconds.
const codeTTL = time.Minute

// usedCodeTTL is how long a used code is remembered, so that its second use is
// seen for what it is.
const usedCodeTTL = 10 * time.Minute

// maxGrants is how many sessions there may be.
const maxGrants = 100_000

// code is an authorization code on its way to the client. It lives in memory:
// a restart within that minute asks the person to sign in again.
type code struct {
	grant       *grant
	clientID    string
	redirectURI string
	challenge   string
	issued      time.Time
	used        bool     // guarded by the grant's mu
	with        []Change // client and consent, saved with the grant
}

// Complete ends a flow well: the provider has said who the person is, so the
// access list is asked, and grant and code are made. Both live in memory until
// the client redeems the code: a restart forgets it, and with it the sign-in. Refusals are access_denied; they may be sent to the redirect URI.
func (s *Grants) Complete(f *Flow, up Upstream) (string, error) {
	if err := s.access.Load().Check(up.Identity); err != nil {
		s.discard(up)
		e := AccessDenied("%s. Ask the owner of this Drawbridge.", err).Because(err).Telling(err.Error())
		e.User = who(up.Identity)
		return "", e
	}
	now := s.opts.Now().UTC()
	scopes := f.Scopes
	if up.Scopes != nil { // the provider may grant less than was asked (RFC 6749 §3.3)
		scopes = common(scopes, up.granted())
	}
	id := newGrantID()
	r := Grant{Version: 1, ID: id.String(),
		Client:   GrantClient{ID: f.Client.ID, Name: f.Client.Name, Kind: f.Client.Kind, RedirectURI: f.RedirectURI, AuthMethod: f.Client.AuthMethod},
		Identity: up.Identity, Provider: s.opts.Issuer, Scopes: scopes, Dropped: append(f.dropped, without(f.Scopes, scopes)...), Resource: f.Resource, CreatedAt: now, ExpiresAt: now.Add(codeTTL),
		UpstreamRefresh: up.RefreshToken, LastUsedAt: now, Remote: f.Remote}

	client := s.signedIn(f.Client, now)
	changes := []Change{change(BucketClients, clientKeyOf(client.ID), client)}
	var consent consentRecord
	if f.remember {
		var more []Change
		consent, more = s.rememberConsent(f)
		changes = append(changes, more...)
	}
	s.mu.RLock()
	full := len(s.grants) >= maxGrants
	s.mu.RUnlock()
	if full {
		s.discard(up)
		return "", Unavailable(time.Hour, "There are %d sessions already, which is as many as Drawbridge keeps.", maxGrants)
	}
	text := random()
	g := newGrant(id, r)
	s.mu.Lock()
	s.grants[id] = g
	s.clients[clientKeyOf(client.ID)] = client
	s.applyConsents(changes, consent)
	s.codes[codeKey(text)] = &code{grant: g, clientID: f.Client.ID, redirectURI: f.RedirectURI, challenge: f.Challenge, issued: now, with: changes}
	s.mu.Unlock()
	s.opts.Recorder.Record(r.event(status.SigninSucceeded, status.OK, "", f.Remote))
	poke(s.newExpiry)
	return text, nil
}

// signedIn returns the record of a client as it is after a sign-in.
func (s *Grants) signedIn(c *Client, now time.Time) clientRecord {
	s.mu.RLock()
	r, ok := s.clients[clientKeyOf(c.ID)]
	s.mu.RUnlock()
	if !ok {
		r = clientRecord{Version: 1, FirstSeen: now}
	}
	r.Client, r.LastSignIn = *c, now
	return r
}

// applyConsents does in memory what changes did on disk. The caller holds mu.
func (s *Grants) applyConsents(changes []Change, added consentRecord) {
	for _, c := range changes {
		switch {
		case c.Bucket != BucketConsents:
		case c.Value == nil:
			delete(s.consents, c.Key)
		default:
			s.consents[c.Key] = added
		}
	}
}

// TokenRequest is a request to the token endpoint by a client that has been
// authenticated.
type TokenRequest struct {
	ClientID    string
	Code        string
	RedirectURI string
	Verifier    string
	Refresh     string
	Scope       string
	Resource    []string
	Remote      string
}

// Tokens is a successful answer of the token endpoint (RFC 6749 §5.1).
type Tokens struct {
	Access    string
	Refresh   string // "" if the provider gave none, so that nobody could check the person again
	ExpiresIn time.Duration
	Scopes    []string
}

// Redeem exchanges a code for tokens, once (RFC 6749 §4.1.3). A second use
// revokes the grant (§10.5), and so does a failed first: whoever holds the code
// without what belongs to it is not the client it was made for. Errors are
// invalid_grant, and invalid_target without burning the code.
func (s *Grants) Redeem(r TokenRequest) (Tokens, error) {
	s.mu.Lock()
	c := s.codes[codeKey(r.Code)]
	if c == nil {
		s.mu.Unlock()
		return Tokens{}, InvalidGrant("The code is unknown or has expired.").Because(ErrCodeUnknown)
	}
	if resource, err := target(r.Resource, []string{c.grant.record().Resource}, s.main()); err != nil || resource == "" {
		s.mu.Unlock()
		return Tokens{}, err
	}
	s.mu.Unlock()

	var tokens Tokens
	err := s.take(c.grant, func() (err error) {
		tokens, err = s.redeem(c, r)
		return err
	})
	if errors.Is(err, ErrEnded) {
		return Tokens{}, InvalidGrant("The session of this code has ended.")
	}
	return tokens, c.grant.record().about(err)
}

// redeem applies the rules of [Grants.Redeem]. The caller holds mu of c's
// grant, so of many at once one is the first.
func (s *Grants) redeem(c *code, r TokenRequest) (Tokens, error) {
	why := s.provesCode(c, r)
	if why == nil {
		tokens, err := s.rotate(c.grant, *c.grant.record(), status.TokenIssued, r.Remote, c.with...)
		c.used = err == nil
		return tokens, err
	}
	e := ending{typ: status.SessionRevoked, outcome: status.Refused, reason: why.Error(), remote: r.Remote}
	if c.used {
		e.typ = status.TokenReused
	}
	c.used = true
	if err := s.endTaken(c.grant, e); err != nil {
		return Tokens{}, ServerError(err)
	}
	return Tokens{}, InvalidGrant("The code was used already, has expired, or belongs to another request.").Because(why)
}

// provesCode says why a code must not be redeemed, or nil.
func (s *Grants) provesCode(c *code, r TokenRequest) error {
	verifier := sha256.Sum256([]byte(r.Verifier))
	switch {
	case c.used:
		return ErrCodeUsed
	case s.opts.Now().Sub(c.issued) > codeTTL:
		return ErrCodeLate
	case c.clientID != r.ClientID:
		return ErrCodeClient
	case r.RedirectURI != "" && r.RedirectURI != c.redirectURI: // OAuth 2.1 dropped it; who sends it must mean it
		return ErrCodeRedirect
	case len(r.Verifier) < 43 || len(r.Verifier) > 128 || !equal(base64.RawURLEncoding.EncodeToString(verifier[:]), c.challenge):
		return ErrCodeVerifier
	}
	return s.access.Load().Check(c.grant.record().Identity) // which may have changed meanwhile
}

// codeKey is under which a code is kept: not itself, so that it can't be told
// from how long a look-up takes.
func codeKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}
