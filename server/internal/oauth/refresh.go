package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// graceTime is how long a refresh token that was rotated away is answered with
// its successor although the successor is in use already: two requests of one
// client cross, as Claude's do from two addresses.
const graceTime = time.Minute

// askTime is how long the provider may take to say whether a person is still
// theirs.
const askTime = 15 * time.Second

// Refresh exchanges a refresh token for its successor (RFC 6749 §6, rotation
// after RFC 9700 §4.14.2). With n the grant's newest generation:
//
//   - token n is rotated: the provider is asked about the person, n+1 begins;
//   - token n-1 is answered with token n again, the same bytes, as long as no
//     token of n has been seen, or within a minute of the rotation;
//   - anything else that is authentic is a replay, and ends the grant.
//
// A provider that refuses the person ends the grant; one that can't be reached
// gives temporarily_unavailable and changes nothing.
func (s *Grants) Refresh(ctx context.Context, r TokenRequest) (Tokens, error) {
	t, err := s.tokenKey.open(r.Refresh)
	if err != nil || t.kind != refreshToken {
		return Tokens{}, InvalidGrant("This is not a refresh token of this server.").Because(err)
	}
	g, ok := s.find(t.grant)
	if !ok || !g.stays() {
		return Tokens{}, errSignInAgain()
	}
	rec := g.record()
	if rec.Client.ID != r.ClientID {
		return Tokens{}, InvalidGrant("The refresh token belongs to another client.")
	}
	if _, err := target(r.Resource, []string{rec.Resource}, s.main()); err != nil {
		return Tokens{}, err
	}
	asked, err := parseScope(r.Scope)
	if err != nil {
		return Tokens{}, err
	}
	// What was asked for at sign-in and not granted may be asked for again, to
	// the same end: many clients repeat the scope of their first request.
	if !subset(without(asked, rec.Dropped), rec.Scopes) {
		return Tokens{}, InvalidScope("A refresh can't widen the scope that was granted (RFC 6749 §6).")
	}
	var tokens Tokens
	err = s.take(g, func() (err error) {
		tokens, err = s.refresh(ctx, g, t, r.Remote)
		return err
	})
	if errors.Is(err, ErrEnded) {
		err = errSignInAgain()
	}
	return tokens, rec.about(err)
}

func errSignInAgain() *Error {
	return InvalidGrant("The session has ended. Sign in again.").Because(ErrEnded)
}

// refresh applies the rules of [Grants.Refresh]. The caller holds g's mu.
func (s *Grants) refresh(ctx context.Context, g *grant, t token, remote string) (Tokens, error) {
	rec := *g.record()
	now := s.opts.Now()
	switch {
	case !now.Before(t.expires), !now.Before(rec.ExpiresAt): // of the two, the older may be later if a clock was put back
		return Tokens{}, InvalidGrant("The refresh token has expired. Sign in again.").Because(ErrTokenExpired)
	case t.generation == rec.Generation:
		if err := s.ask(ctx, g, &rec, remote); err != nil {
			return Tokens{}, err
		}
		return s.rotate(g, rec, status.TokenRefreshed, remote)
	case t.generation+1 == rec.Generation && now.Sub(rec.RotatedAt) < graceTime:
		return s.tokens(g.id, &rec), nil
	case t.generation+1 == rec.Generation && g.usedGen.Load() < rec.Generation:
		// The answer was lost, and the client took its time to ask again. So
		// much time may have passed that the person has to be asked about.
		if err := s.ask(ctx, g, &rec, remote); err != nil {
			return Tokens{}, err
		}
		rec = g.withUse(rec)
		if err := s.opts.Saver.Save([]Change{change(BucketGrants, rec.ID, rec)}); err != nil {
			return Tokens{}, ServerError(err)
		}
		g.set(rec)
		return s.tokens(g.id, &rec), nil
	}
	err := s.endTaken(g, ending{typ: status.TokenReused, outcome: status.Refused, remote: remote,
		reason: "an old refresh token was presented again, so it may have leaked; the session was ended"})
	if err != nil {
		return Tokens{}, ServerError(err)
	}
	return Tokens{}, InvalidGrant("The refresh token was used before. The session has been ended; sign in again.").Because(ErrReplay)
}

// ask has the provider say who the person of rec is now, and rec changed to
// what it says. A person it refuses, or who is no longer on the access list,
// ends the grant.
func (s *Grants) ask(ctx context.Context, g *grant, rec *Grant, remote string) error {
	up, err := s.askProvider(ctx, g, rec)
	if up.RefreshToken != "" && up.RefreshToken != rec.UpstreamRefresh {
		rec.UpstreamRefresh = up.RefreshToken
		s.keepUpstream(g, up.RefreshToken)
	}
	reason := ""
	switch {
	case errors.Is(err, ErrEnded):
		return err
	case IsProviderError(err, ProviderRefused):
		reason = providerMessage(err)
	case err != nil:
		return Unavailable(10*time.Second, "The sign-in provider can't be asked right now. The session is kept; try again soon.").Because(err).Telling(providerMessage(err))
	case up.Identity.Subject != rec.Identity.Subject:
		reason = "the sign-in provider answered for another person"
	default:
		rec.Identity = up.Identity
		if up.Scopes != nil {
			rec.Scopes = common(rec.Scopes, up.granted())
		}
		if err := s.access.Load().Check(up.Identity); err != nil {
			reason = err.Error()
		}
	}
	if reason == "" {
		return nil
	}
	if err := s.endTaken(g, ending{typ: status.SessionRevoked, outcome: status.Refused, reason: reason, remote: remote}); err != nil {
		return ServerError(err)
	}
	return InvalidGrant("The session has been ended: the person may not sign in here any more.").Because(ErrPerson).Telling(reason)
}

// askProvider returns the provider's answer, or ErrEnded as soon as somebody
// wants g to end: a provider that hangs must not hold up a revocation.
func (s *Grants) askProvider(ctx context.Context, g *grant, rec *Grant) (Upstream, error) {
	type answer struct {
		up  Upstream
		err error
	}
	answered := make(chan answer, 1)
	token, who := rec.UpstreamRefresh, rec.Identity
	go func() {
		// Not cut short when the client goes away: the provider may have rotated
		// its token by then, and the new one must not be lost.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		up, err := s.opts.Provider.Refresh(ctx, token, who)
		answered <- answer{up, err}
	}()
	select {
	case a := <-answered:
		return a.up, a.err
	case <-g.life().Done():
		go func() { s.discard((<-answered).up) }()
		return Upstream{}, ErrEnded
	}
}

// keepUpstream notes the refresh token that the provider has rotated to, before
// anything else can go wrong: the old one may be worth nothing any more. If it
// can't be saved it is kept in memory.
func (s *Grants) keepUpstream(g *grant, token string) {
	kept := g.withUse(*g.record())
	kept.UpstreamRefresh = token
	if err := s.opts.Saver.Save([]Change{change(BucketGrants, kept.ID, kept)}); err != nil {
		s.opts.Log.Warn("provider's new refresh token not saved", "session", kept.ID, "cause", err)
	}
	g.set(kept)
}

func providerMessage(err error) string {
	var pe *ProviderError
	if errors.As(err, &pe) {
		return pe.Message
	}
	return "the sign-in provider could not be asked"
}

// rotate begins the next generation of rec, saves it with more and returns its
// tokens. The caller holds g's mu.
func (s *Grants) rotate(g *grant, rec Grant, typ, remote string, more ...Change) (Tokens, error) {
	now := s.opts.Now().UTC()
	rec = g.withUse(rec)
	rec.Generation++
	rec.RotatedAt = now
	rec.Used = false
	ttl := s.accessTTL(&rec)
	switch {
	case rec.UpstreamRefresh != "":
		ttl = s.opts.RefreshTTL
	case rec.Through != "":
		ttl *= 2 // clients come for another token only once theirs has run out
	}
	rec.ExpiresAt = now.Add(ttl).Truncate(time.Millisecond)
	if err := s.opts.Saver.Save(append(more, change(BucketGrants, rec.ID, rec)), rec.event(typ, status.OK, "", remote)); err != nil {
		return Tokens{}, ServerError(err)
	}
	g.set(rec)
	poke(s.newExpiry)
	return s.tokens(g.id, &rec), nil
}

// accessTTL is how long access tokens of rec live.
func (s *Grants) accessTTL(rec *Grant) time.Duration {
	if rec.Through == status.Enterprise {
		return s.opts.AssertedTTL
	}
	return s.opts.AccessTTL
}

// tokens returns the tokens of rec's generation. The refresh token is a
// function of the record, so it is the same each time; the access token runs
// from now, but never past the grant.
func (s *Grants) tokens(id grantID, rec *Grant) Tokens {
	now := s.opts.Now()
	expires := now.Add(s.accessTTL(rec)).Truncate(time.Millisecond)
	if rec.ExpiresAt.Before(expires) {
		expires = rec.ExpiresAt
	}
	t := Tokens{ExpiresIn: expires.Sub(now), Scopes: rec.Scopes,
		Access: s.tokenKey.mint(token{grant: id, kind: accessToken, generation: rec.Generation, expires: expires})}
	if rec.UpstreamRefresh != "" {
		t.Refresh = s.tokenKey.mint(token{grant: id, kind: refreshToken, generation: rec.Generation, expires: rec.ExpiresAt})
	}
	return t
}
