package idp

import (
	"bytes"
	"context"
	"encoding/base64"
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
	"github.com/go-jose/go-jose/v4/jwt"
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
	var head jagHeader
	var c jagClaims
	parts := strings.Split(raw, ".")
	payload, err := readPart(parts[1], &c)
	if _, bad := readPart(parts[0], &head); err != nil || bad != nil {
		return none, badForm("a member is there twice or of another type, or it can't be read")
	}
	switch {
	case head.Type != assertionType:
		return none, badForm("its typ is not oauth-id-jag+jwt")
	case !slices.Contains(asymmetric, head.Algorithm):
		return none, badForm("it is not signed with a private key (alg)")
	case head.Critical != nil || c.Confirmation != nil: // what must be understood, and a key that the client would have to prove
		return none, badForm("it demands what is not done here (crit, cnf)")
	case c.Issuer == "", badSubject(c.Subject), c.ClientID == "", c.ID == "", c.Expiry == nil, c.IssuedAt == nil, len(c.Audience) != 1, c.Resource != nil && (len(c.Resource) == 0 || slices.Contains(c.Resource, "")):
		return none, badForm("iss, sub, client_id, jti, exp, iat, one aud or what resource names is missing")
	case c.Audience[0] != v.audience && c.Audience[0] != v.audience+"/":
		return none, oauth.BadAssertion(&oauth.AudienceError{Audience: c.Audience[0]}).
			Telling("the assertion was made for " + address(c.Audience[0]) + ", but this server's issuer is " + v.audience + "; correct the issuer URL of the resource app at the provider")
	case c.ClientID != client:
		return none, oauth.BadAssertion(oauth.ErrAssertionClient)
	}
	i := slices.IndexFunc(v.providers, func(p *Client) bool { return p.cfg.Issuer == c.Issuer })
	if i < 0 {
		return none, oauth.BadAssertion(&oauth.AudienceError{Issuer: c.Issuer}).
			Telling("the assertion is of " + address(c.Issuer) + ", which is not trusted here; if it is the company's provider, add it to [enterprise] issuers in config.toml")
	}
	provider := v.providers[i]
	if why := c.outOfTime(provider.cfg.Now()); why != "" {
		return none, oauth.BadAssertion(fmt.Errorf("%w: %s", oauth.ErrAssertionClock, why))
	}
	signed, err := provider.signedAssertion(ctx, raw)
	if err != nil {
		return none, err
	}
	all, err := parseClaims(signed)
	if err != nil || !bytes.Equal(signed, payload) {
		return none, oauth.BadAssertion(oauth.ErrAssertionKey)
	}
	// The provider is the company's own, and its owner has said that it vouches for
	// people here: an address counts unless the provider denies it.
	r := provider.reader
	r.trustEmail = true
	a := oauth.Assertion{Identity: r.identity(c.Issuer, c.Subject, all), ClientID: c.ClientID, Resource: c.Resource, Scope: c.Scope, ID: c.ID, Expires: timeOf(c.Expiry)}
	a.Identity.Unsaid.Cure = "Let the provider put the groups into its assertions (ID-JAG), or let the person sign in here once in a browser"
	return a, nil
}

type jagHeader struct {
	Type      string `json:"typ"`
	Algorithm string `json:"alg"`
	Critical  any    `json:"crit"`
}

// jagClaims are what is looked at before the signature is.
type jagClaims struct {
	Issuer       string       `json:"iss"`
	Subject      string       `json:"sub"`
	Audience     jwt.Audience `json:"aud"`
	ClientID     string       `json:"client_id"`
	ID           string       `json:"jti"`
	Expiry       *float64     `json:"exp"`
	IssuedAt     *float64     `json:"iat"`
	NotBefore    *float64     `json:"nbf"`
	Resource     jwt.Audience `json:"resource"`
	Scope        *string      `json:"scope"`
	Confirmation any          `json:"cnf"`
}

// outOfTime says why the assertion is not of now, or "".
func (c *jagClaims) outOfTime(now time.Time) string {
	expires, issued, latest := timeOf(c.Expiry), timeOf(c.IssuedAt), now.Add(oauth.AssertionSkew)
	switch {
	case !now.Before(expires.Add(oauth.AssertionSkew)):
		return "it has expired"
	case issued.After(latest), c.NotBefore != nil && timeOf(c.NotBefore).After(latest):
		return "it is of the future"
	case expires.Sub(issued) > maxAssertionLife, !issued.Before(expires):
		return "it is good for more than five minutes, or for none"
	}
	return ""
}

// timeOf is a NumericDate (RFC 7519 §2), of those that a calendar has.
func timeOf(seconds *float64) time.Time {
	return time.UnixMilli(int64(min(max(*seconds, 0), 1e11) * 1000))
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

// readPart reads header or payload into v: base64url in its one spelling, JSON
// without a doubled name, names by their exact letters, and returns it.
func readPart(part string, v any) ([]byte, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err == nil {
		err = strictjson.Unmarshal(text, v)
	}
	if err == nil && (len(text) == 0 || text[0] != '{') {
		err = errNotCompact
	}
	return text, err
}

// address is an address of others as far as it may be shown.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || len(s) > maxText {
		return "another address"
	}
	return clean(u.Scheme + "://" + u.Host + u.EscapedPath())
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
