package idp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	strictjson "github.com/go-jose/go-jose/v4/json"
	"golang.org/x/time/rate"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// assertionType is the JOSE typ of an Identity Assertion JWT Authorization Grant
// (draft-ietf-oauth-identity-assertion-authz-grant §4).
const assertionType = "oauth-id-jag+jwt"

const (
	maxAssertion     = 16 << 10 // bytes
	maxAssertionLife = 5 * time.Minute
)

// Assertions verifies what trusted providers say of people to clients.
type Assertions struct {
	providers []*Client
	audience  string
}

// NewAssertions trusts providers, whose issuers are none for many tenants. Audience
// is our own issuer, without a slash at the end.
func NewAssertions(audience string, providers ...*Client) *Assertions {
	return &Assertions{providers, audience}
}

// Verify returns what an assertion says to client, which is authenticated. It does
// what costs little first: signatures are looked at only of what would be good.
// Errors are invalid_grant, or temporarily_unavailable if the provider's keys can't
// be had. Client, resource and scope are for [oauth.Grants] to compare, but for a
// look at the client before keys are asked for.
func (v *Assertions) Verify(ctx context.Context, raw, client string) (oauth.Assertion, error) {
	var none oauth.Assertion
	if len(raw) > maxAssertion || !compactJWT.MatchString(raw) {
		return none, badForm("it is no signed JWT in the compact form")
	}
	parts := strings.Split(raw, ".")
	header, _, err := readPart(parts[0])
	if err != nil {
		return none, badForm("its header can't be read")
	}
	cl, payload, err := readPart(parts[1])
	if err != nil {
		return none, badForm("its claims can't be read, or one is there twice")
	}
	if typ, _ := exact(header, "typ"); typ != assertionType {
		return none, badForm("its typ is not oauth-id-jag+jwt")
	}
	if alg, _ := exact(header, "alg"); !slices.Contains(asymmetric, alg) {
		return none, badForm("it is not signed with a private key (alg)")
	}
	if header.has("crit") || cl.has("cnf") { // what must be understood, and a key that the client would have to prove
		return none, badForm("it demands what is not done here (crit, cnf)")
	}
	a, issuer, err := v.read(cl)
	if err != nil {
		return none, err
	}
	if a.ClientID != client {
		return none, oauth.BadAssertion(oauth.ErrAssertionClient)
	}
	i := slices.IndexFunc(v.providers, func(c *Client) bool { return c.cfg.Issuer == issuer })
	if i < 0 {
		return none, oauth.BadAssertion(&oauth.AudienceError{Issuer: issuer}).
			Telling("the assertion is of " + address(issuer) + ", which is not trusted here; if it is the company's provider, add it to [enterprise] issuers in config.toml")
	}
	if err := checkTimes(cl, &a, v.providers[i].cfg.Now()); err != nil {
		return none, err
	}
	signed, err := v.providers[i].signedAssertion(ctx, raw)
	if err != nil {
		return none, err
	}
	if !bytes.Equal(signed, payload) {
		return none, oauth.BadAssertion(oauth.ErrAssertionKey)
	}
	// The provider is the company's own, and its owner has said that it vouches for
	// people here: an address counts unless the provider denies it.
	r := v.providers[i].reader
	r.trustEmail = true
	a.Identity = r.identity(issuer, a.Identity.Subject, cl)
	a.Identity.Unsaid.Cure = "Let the provider put the groups into its assertions (ID-JAG), or let the person sign in here once in a browser"
	return a, nil
}

// read reads the claims, and checks whom they are for.
func (v *Assertions) read(cl claims) (a oauth.Assertion, issuer string, err error) {
	for name, to := range map[string]*string{"iss": &issuer, "sub": &a.Identity.Subject, "client_id": &a.ClientID, "jti": &a.ID} {
		var ok bool
		if *to, ok = exact(cl, name); !ok || *to == "" || len(*to) > 4*maxSubject {
			return a, "", badForm("a claim is missing or of another form: iss, sub, client_id and jti are texts")
		}
	}
	if badSubject(a.Identity.Subject) {
		return a, "", badForm("its sub can't be a person's")
	}
	audience, ok := texts(cl, "aud")
	switch {
	case !ok || len(audience) != 1:
		return a, "", badForm("its aud is not one text")
	case audience[0] != v.audience && audience[0] != v.audience+"/":
		return a, "", oauth.BadAssertion(&oauth.AudienceError{Audience: audience[0]}).
			Telling("the assertion was made for " + address(audience[0]) + ", but this server's issuer is " + v.audience + "; correct the issuer URL of the resource app at the provider")
	}
	if cl.has("resource") {
		if a.Resource, ok = texts(cl, "resource"); !ok || len(a.Resource) == 0 || slices.Contains(a.Resource, "") {
			return a, "", badForm("its resource is no address")
		}
	}
	if cl.has("scope") {
		scope, ok := exact(cl, "scope")
		if !ok {
			return a, "", badForm("its scope is no text")
		}
		a.Scope = &scope
	}
	return a, issuer, nil
}

// checkTimes checks that the assertion is of now.
func checkTimes(cl claims, a *oauth.Assertion, now time.Time) error {
	at := map[string]time.Time{}
	for _, name := range []string{"exp", "iat", "nbf"} {
		var seconds float64
		switch err := json.Unmarshal(cl[name], &seconds); {
		case name == "nbf" && !cl.has(name):
		case !cl.has(name) || err != nil || seconds < 0 || seconds > 1e11:
			return badForm("exp, iat or nbf is missing or no time")
		default:
			at[name] = time.UnixMilli(int64(seconds * 1000))
		}
	}
	why := ""
	switch a.Expires = at["exp"]; {
	case !now.Before(a.Expires.Add(oauth.AssertionSkew)):
		why = "it has expired"
	case at["iat"].After(now.Add(oauth.AssertionSkew)), at["nbf"].After(now.Add(oauth.AssertionSkew)):
		why = "it is of the future"
	case a.Expires.Sub(at["iat"]) > maxAssertionLife, !at["iat"].Before(a.Expires):
		why = "it is good for more than five minutes, or for none"
	default:
		return nil
	}
	return oauth.BadAssertion(fmt.Errorf("%w: %s", oauth.ErrAssertionClock, why))
}

func badForm(why string) error {
	return oauth.BadAssertion(fmt.Errorf("%w: %s", oauth.ErrAssertionForm, why))
}

// signedAssertion returns the payload of raw if a key of the provider signed it.
func (c *Client) signedAssertion(ctx context.Context, raw string) ([]byte, error) {
	unavailable := func(fault error) error {
		return oauth.Unavailable(10*time.Second, "The provider's keys can't be had right now. Try again soon.").Because(fault)
	}
	m, err := c.discovered(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	keys := &watchedKeys{KeySet: m.asserted}
	payload, err := keys.VerifySignature(ctx, raw)
	if err != nil && strings.HasPrefix(err.Error(), "fetching keys") {
		return nil, unavailable(c.keysError(err))
	}
	if err != nil {
		return nil, oauth.BadAssertion(oauth.ErrAssertionKey)
	}
	return payload, nil
}

// readPart reads header or payload: base64url in its one spelling, JSON without a
// doubled name, as go-jose reads headers.
func readPart(part string) (c claims, text []byte, err error) {
	if text, err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
		return nil, nil, err
	}
	var all map[string]strictjson.RawMessage
	if err := strictjson.Unmarshal(text, &all); err != nil || all == nil {
		return nil, nil, errors.Join(err, errNotCompact)
	}
	c = claims{}
	for name, raw := range all {
		if string(raw) != "null" {
			c[name] = json.RawMessage(raw)
		}
	}
	return c, text, nil
}

// address is an address of others as far as it may be shown.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || len(s) > maxText {
		return "another address"
	}
	return clean(u.Scheme + "://" + u.Host + u.EscapedPath())
}

// exact is a claim that is a text, as it stands.
func exact(c claims, name string) (s string, ok bool) {
	return s, c.has(name) && json.Unmarshal(c[name], &s) == nil
}

// texts is a claim that is a text or a list of them.
func texts(c claims, name string) (list []string, ok bool) {
	if one, ok := exact(c, name); ok {
		return []string{one}, true
	}
	err := json.Unmarshal(c[name], &list)
	return list, c.has(name) && err == nil
}

// badSubject reports whether a subject can't be a person's.
func badSubject(sub string) bool {
	return sub == "" || len(sub) > maxSubject || strings.HasPrefix(sub, oauth.MachinePrefix)
}

// keysFetches is how often the keys are asked for because of assertions that none
// known has signed: clients choose what they send and when.
var keysFetches = rate.Every(10 * time.Second)

// sparingly asks base only so often; in between it gives the last answer again.
type sparingly struct {
	base  http.RoundTripper
	limit *rate.Limiter

	mu   sync.Mutex // guards what follows
	last *http.Response
	body []byte
}

func newSparingly(base http.RoundTripper) *sparingly {
	return &sparingly{base: base, limit: rate.NewLimiter(keysFetches, 3)}
}

func (s *sparingly) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch allowed := s.limit.Allow(); {
	case !allowed && s.last == nil:
		return nil, errors.New("the keys could not be had a moment ago")
	case allowed:
		resp, err := s.base.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		s.last, s.body = resp, body
	}
	again := *s.last
	again.Header, again.Request, again.Body = maps.Clone(s.last.Header), req, io.NopCloser(bytes.NewReader(s.body))
	return &again, nil
}
