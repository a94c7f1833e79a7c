package serverauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Where browsers come: the owner's to the control listener, everybody else's
// below our public URL.
const (
	LoopbackPath = "/server-sign-in/"
	Path         = "/sign-in"
)

func (s *SignIns) loopback(id string) string { return s.o.Loopback() + LoopbackPath + id }
func (s *SignIns) public(id string) string   { return s.o.Base + Path + "/" + id }

// flowTime is how long a person may take to sign in.
const flowTime = 10 * time.Minute

// askTime bounds a request for tokens.
const askTime = 25 * time.Second

// flow is a sign-in under way.
type flow struct {
	key
	server   string // its address
	written  string // the same in mcp.json
	answered bool   // its code is being redeemed
	session  string // that asked for it, unless it is the owner's
	asked    string // the elicitation's ID, the same
	who      oauth.Identity
	browser  string // that it belongs to; the owner's, to whichever has the state
	state    string
	verifier string
	config   oauth2.Config
	client   client
	found    *found
	scopes   []string
	until    time.Time
}

// Begin begins the owner's sign-in at a server at address, and returns where to
// send their browser. Errors are sentences, with the server's name.
func (s *SignIns) Begin(ctx context.Context, server, address string) (string, error) {
	location, err := s.begin(ctx, &flow{key: key{server: server}, server: address}, s.loopback(s.id(server)))
	if err != nil {
		return "", named(server, err)
	}
	return location, nil
}

func named(server string, err error) error { return sentence("%s %w", server, err) }

func (s *SignIns) begin(ctx context.Context, f *flow, redirect string) (string, error) {
	u, err := url.Parse(f.server)
	if err != nil {
		return "", err
	}
	challenge, err := s.challenge(ctx, f.key.server, f.server)
	if err != nil {
		return "", err
	}
	if f.found, err = s.discover(ctx, u, challenge); err != nil {
		return "", err
	}
	s.mu.Lock()
	ownID := s.servers[f.key.server].ClientID
	f.written = s.servers[f.key.server].URL
	f.scopes = f.found.asked
	if r := s.records[f.key]; r != nil && r.Server == f.server && r.Issuer == f.found.Issuer {
		f.scopes = union(union(r.Scopes, r.Wants), f.scopes) // it had them, or would have had to
	}
	s.mu.Unlock()
	var secret string
	if f.client, secret, err = s.clientFor(ctx, u, f.key.server, ownID, f.found, redirect); err != nil {
		return "", err
	}
	scopes, options := f.scopes, []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("resource", f.found.resource)}
	if slices.Contains(f.found.Scopes, offline) && !slices.Contains(scopes, offline) {
		scopes = append(slices.Clone(scopes), offline)
	}
	if slices.Contains(scopes, offline) {
		options = append(options, oauth2.SetAuthURLParam("prompt", "consent")) // OpenID Connect Core §11
	}
	f.verifier, f.until = oauth2.GenerateVerifier(), s.o.Now().Add(flowTime)
	f.config = oauth2.Config{ClientID: f.client.ID, ClientSecret: secret, RedirectURL: redirect, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: f.found.Authorization, TokenURL: f.found.Token, AuthStyle: f.client.Style}}
	state := oauth2.GenerateVerifier() // 32 random bytes
	s.mu.Lock()
	maps.DeleteFunc(s.flows, func(_ string, other *flow) bool { return other.key == f.key || !s.o.Now().Before(other.until) })
	moved := s.servers[f.key.server].URL != f.written
	if !moved {
		f.state, s.flows[state] = state, f
	}
	s.mu.Unlock()
	if moved {
		return "", errMeanwhile
	}
	return f.config.AuthCodeURL(state, append(options, oauth2.S256ChallengeOption(f.verifier))...), nil
}

var errMeanwhile = errors.New("was taken out, moved or signed out of meanwhile. Begin again")

const offline = "offline_access"

// challenge is what the server refuses with: as it did last, or does now.
func (s *SignIns) challenge(ctx context.Context, server, address string) (map[string]string, error) {
	s.mu.Lock()
	last := s.challenges[server]
	s.mu.Unlock()
	if last != nil {
		return last, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"Drawbridge","version":"1"}}}`))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := s.httpFor(address).Do(req)
	if err != nil {
		return nil, plain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		return nil, sentence("asks for no sign-in")
	}
	return Challenges(resp.Header.Values("WWW-Authenticate"))["bearer"], nil
}

// Finish takes the answer that a browser brought (RFC 6749 §4.1.2), once. For
// the owner browser is "". Errors are sentences, with the server's name where
// that is known.
func (s *SignIns) Finish(ctx context.Context, id, browser string, answer url.Values) (server string, err error) {
	state := answer.Get("state")
	s.mu.Lock()
	f := s.flows[state]
	if f == nil || f.answered || f.browser != browser || f.until.Before(s.o.Now()) || id != s.id(f.key.server) {
		s.mu.Unlock()
		return "", errNoFlow
	}
	f.answered = true // it stays until it is saved, so that what ends sign-ins ends it
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.flows[state] == f {
			delete(s.flows, state)
		}
	}()
	// Once the code is sent it is used up, whoever hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	if err := s.finish(ctx, f, answer); err != nil {
		return f.key.server, named(f.key.server, err)
	}
	s.o.Changed(f.key.server)
	if f.session != "" {
		s.o.Told(f.session, f.key.server, f.asked)
	}
	return f.key.server, nil
}

var errNoFlow = errors.New("This sign-in is not under way, or not in this browser. Begin again")

func (s *SignIns) finish(ctx context.Context, f *flow, answer url.Values) error {
	// RFC 9207 §2.4: byte for byte. It comes before all else, since an error may be
	// another server's as well.
	if iss := answer["iss"]; len(iss) > 1 || len(iss) == 1 && iss[0] != f.found.Issuer || len(iss) == 0 && f.found.SendsIssuer {
		return sentence("was not the one that answered, so its answer was not used (RFC 9207). Begin again")
	}
	if code := answer.Get("error"); code != "" {
		return sentence("refused the sign-in (%s)", short(code))
	}
	if answer.Get("code") == "" {
		return sentence("gave no code. Begin again")
	}
	token, err := f.config.Exchange(s.with(ctx, f.server), answer.Get("code"), oauth2.VerifierOption(f.verifier), oauth2.SetAuthURLParam("resource", f.found.resource))
	if err != nil {
		return plain(err)
	}
	r := &record{Who: f.who, Written: f.written, Server: f.server, Resource: f.found.resource, Issuer: f.found.Issuer, Token: f.found.Token, Revoke: f.found.Revocation,
		Client: f.client, Scopes: f.scopes, Since: s.o.Now().UTC().Truncate(time.Second), secrets: secrets{Client: f.config.ClientSecret}}
	if f.client.Own {
		r.secrets.Client = ""
	}
	if err := r.take(token, s.o.Now()); err != nil {
		return err
	}
	s.mu.Lock()
	before := s.records[f.key]
	delete(s.challenges, f.key.server)
	s.mu.Unlock()
	switch err := s.save(ctx, f.key, nil, r, f); {
	case errors.Is(err, errGone):
		_ = s.giveBack(ctx, r)
		return errMeanwhile
	case err != nil:
		s.o.Log.Error("a sign-in was not saved", "server", f.key.server, "cause", err)
		return sentence("was signed in at, but that could not be saved: it lasts until Drawbridge ends")
	}
	if before != nil {
		s.ending.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), giveBackTime)
			defer cancel()
			_ = s.giveBack(ctx, before) // it ends by itself as well
		})
	}
	return nil
}

// with has x/oauth2 ask by the client for what a server names.
func (s *SignIns) with(ctx context.Context, server string) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, s.httpFor(server))
}

// take puts what a token endpoint gave into r.
func (r *record) take(token *oauth2.Token, now time.Time) error {
	if !strings.EqualFold(token.Type(), "bearer") || !visible.MatchString(token.AccessToken) {
		return sentence("gave a token that can't be used")
	}
	r.Given, r.Ended, r.Expires, r.Ahead, r.Access = now, false, time.Time{}, time.Time{}, token.AccessToken
	if token.RefreshToken != "" {
		r.Refresh = token.RefreshToken
	}
	if token.ExpiresIn > 0 {
		life := time.Duration(token.ExpiresIn) * time.Second
		r.Expires = now.Add(life)
		r.Ahead = r.Expires.Add(-min(time.Minute, life/4))
	}
	if idToken, ok := token.Extra("id_token").(string); ok {
		r.Account = accountIn(idToken)
	}
	return nil
}

// visible is what may stand in a header (RFC 6750 §2.1).
var visible = regexp.MustCompile(`^[\x21-\x7e]+$`)

// accountIn is how an ID token names the person. It came from its issuer itself
// (OpenID Connect Core §3.1.3.7), and nothing is decided by it.
func accountIn(idToken string) string {
	parts := strings.Split(idToken, ".")
	var claims struct{ Email, Preferred_username, Name, Sub string }
	if len(parts) != 3 {
		return ""
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &claims) != nil {
		return ""
	}
	for _, name := range []string{claims.Email, claims.Preferred_username, claims.Name, claims.Sub} {
		if name != "" {
			return short(name)
		}
	}
	return ""
}

// short is foreign text in one short line.
func short(text string) string { return status.Clean(text, 100) }

// refresh returns what takes the place of r, together with everybody else who
// waits for it; nil and no error if the server refuses for good.
func (s *SignIns) refresh(ctx context.Context, k key, r *record) (*record, error) {
	result := s.flights.DoChan(k.server+"\x00"+k.person, func() (any, error) {
		s.mu.Lock()
		now := s.records[k]
		s.mu.Unlock()
		if now == nil || now != r && now.Given != r.Given {
			return now, nil // somebody else's came first
		}
		ctx, cancel := context.WithTimeout(context.Background(), askTime)
		defer cancel()
		return s.renew(ctx, k, now)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-result:
		fresh, _ := got.Val.(*record)
		return fresh, got.Err
	}
}

func (s *SignIns) renew(ctx context.Context, k key, r *record) (*record, error) {
	secret, err := s.secretOf(ctx, r)
	if err != nil {
		return nil, err
	}
	config := oauth2.Config{ClientID: r.Client.ID, ClientSecret: secret, Endpoint: oauth2.Endpoint{TokenURL: r.Token, AuthStyle: r.Client.Style}}
	// Its TokenSource can't send a resource (RFC 8707 §2.2); what is empty counts as
	// left out (RFC 6749 §3.2).
	token, err := config.Exchange(s.with(ctx, r.Server), "", oauth2.SetAuthURLParam("grant_type", "refresh_token"),
		oauth2.SetAuthURLParam("refresh_token", r.Refresh), oauth2.SetAuthURLParam("resource", r.Resource))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && slices.Contains([]string{"invalid_grant", "invalid_client", "unauthorized_client"}, refused.ErrorCode):
		s.o.Log.Info("a server takes its sign-in no longer", "server", k.server, "cause", plain(err))
		s.end(k, r)
		return nil, nil
	case err != nil:
		return nil, plain(err)
	}
	fresh := *r
	if err := fresh.take(token, s.o.Now()); err != nil {
		return nil, err
	}
	if fresh.Account == "" {
		fresh.Account = r.Account
	}
	switch err := s.save(ctx, k, r, &fresh, nil); {
	case errors.Is(err, errGone):
		_ = s.giveBack(ctx, &fresh)
		return nil, err
	case err != nil: // the disk is full: it lasts until we end
		s.o.Log.Error("a server's new token was not saved", "server", k.server, "cause", err)
	}
	return &fresh, nil
}
