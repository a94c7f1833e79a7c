package idp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

const (
	// metadataTTL is how long a discovery document is trusted. Asking once a day
	// notices endpoints that moved and forgets keys that were withdrawn.
	metadataTTL = 24 * time.Hour
	// A failed discovery is not repeated for firstBackoff, doubled up to
	// maxBackoff: a flood of sign-ins must not become a flood at the provider.
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second
	// maxStrikes is after how many failed requests in a row the endpoints are
	// discovered again.
	maxStrikes = 3
)

// metadata is a discovery document that was checked (OpenID Connect Discovery
// 1.0 §3), and the keys that come with it.
type metadata struct {
	oidc     *oidc.Provider
	keys     *oidc.RemoteKeySet
	asserted *oidc.RemoteKeySet // the same keys, for assertions
	fetched  time.Time
	stale    bool // guarded by Client.mu

	Issuer          string   `json:"issuer"` // may hold "{tenantid}" (Entra)
	Authorization   string   `json:"authorization_endpoint"`
	Token           string   `json:"token_endpoint"`
	Userinfo        string   `json:"userinfo_endpoint"`
	Revocation      string   `json:"revocation_endpoint"`
	JWKS            string   `json:"jwks_uri"`
	ScopesSupported []string `json:"scopes_supported"`
	AuthMethods     []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms      []string `json:"id_token_signing_alg_values_supported"`
}

// takes reports whether the document lists a method of client authentication.
func (m *metadata) takes(method string) bool { return slices.Contains(m.AuthMethods, method) }

// discovered returns the provider's metadata: what is known if it is fresh,
// else what it says now. While a failure is recent it returns that failure.
func (c *Client) discovered(ctx context.Context) (*metadata, error) {
	c.mu.Lock()
	now := c.cfg.Now()
	m, failed := c.found, c.failed
	fresh := m != nil && !m.stale && now.Sub(m.fetched) < metadataTTL
	wait := now.Before(c.retryAt)
	c.mu.Unlock()
	switch {
	case fresh:
		return m, nil
	case wait && failed != nil && (m == nil || failed.Kind != oauth.ProviderUnreachable):
		return nil, failed
	case wait:
		return m, nil
	}
	latest, err := c.discover(ctx, false)
	if err != nil && m != nil && oauth.IsProviderError(err, oauth.ProviderUnreachable) {
		// Yesterday's endpoints may well work while the document is away.
		c.cfg.Log.Warn("discovery failed, the earlier document is used", "issuer", c.cfg.Issuer, "cause", err)
		return m, nil
	}
	return latest, err
}

// discover fetches the metadata now, and the keys if withKeys, together with
// everybody else who waits for it. The fetch outlives ctx: it serves others
// too, and has its own time-outs.
func (c *Client) discover(ctx context.Context, withKeys bool) (*metadata, error) {
	result := c.flights.DoChan(fmt.Sprint("discovery, keys ", withKeys), func() (any, error) {
		m, fault := c.fetchMetadata(context.Background())
		c.mu.Lock()
		if fault == nil {
			c.found, c.failed, c.failures, c.strikes = m, nil, 0, 0
			c.authStyle = oauth2.AuthStyleAutoDetect
			c.retryAt = time.Time{}
		} else {
			c.failed = fault
			c.retryAt = c.cfg.Now().Add(min(firstBackoff<<min(c.failures, 5), maxBackoff))
			c.failures++
		}
		c.mu.Unlock()
		if fault == nil && withKeys {
			fault = c.checkKeys(context.Background(), m)
		}
		c.noteDiscovery(fault)
		if fault != nil {
			return nil, fault
		}
		return m, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*metadata), nil
	case <-ctx.Done():
		return nil, c.unreachable(ctx.Err())
	}
}

// fetchMetadata asks the provider for its discovery document and checks it.
func (c *Client) fetchMetadata(ctx context.Context) (*metadata, *oauth.ProviderError) {
	if !secureURL(c.cfg.Issuer, true) {
		return nil, c.misconfigured("The issuer must be an https URL (http only on this machine). Check the issuer in Setup.", nil)
	}
	ctx = oidc.ClientContext(ctx, c.http)
	template, templated := issuerTemplate(c.cfg.Issuer)
	if templated {
		ctx = oidc.InsecureIssuerURLContext(ctx, template) // the document's issuer is compared below
	}
	provider, err := oidc.NewProvider(ctx, c.cfg.Issuer)
	if err != nil {
		return nil, c.discoveryError(err)
	}
	m := &metadata{oidc: provider, fetched: c.cfg.Now()}
	if err := provider.Claims(m); err != nil {
		return nil, c.misconfigured("{Name}'s discovery document can't be read. Check the issuer in Setup.", err)
	}
	if templated && m.Issuer != template {
		return nil, c.discoveryError(&oidc.IssuerMismatchError{Provided: template, Discovered: m.Issuer})
	}
	local := !secureURL(c.cfg.Issuer, false) // then it is http on loopback
	for i, endpoint := range []string{m.Authorization, m.Token, m.JWKS, m.Userinfo, m.Revocation} {
		if optional := i > 2; !secureURL(endpoint, local) && !(optional && endpoint == "") {
			return nil, c.misconfigured("{Name}'s discovery document lacks an endpoint, or names one without https. Check the issuer in Setup.", nil)
		}
	}
	// The key set keeps its context for ever, so it gets one that no request owns.
	keys := *c.http
	keys.Transport = keysTransport{keys.Transport}
	m.keys = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), &keys), m.JWKS)
	sparing := keys
	sparing.Transport = newSparingly(keys.Transport)
	m.asserted = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), &sparing), m.JWKS)
	return m, nil
}

// discoveryError says why there is no usable discovery document.
func (c *Client) discoveryError(err error) *oauth.ProviderError {
	var mismatch *oidc.IssuerMismatchError
	var answered *statusError
	switch {
	case errors.As(err, &mismatch):
		says := "{Name} calls itself by another issuer than the one configured. Copy the issuer from its settings into Setup, exactly."
		switch mismatch.Discovered {
		case mismatch.Provided + "/":
			says = "{Name} calls itself by another issuer than the one configured. Add the slash at the end of the issuer in Setup."
		case strings.TrimSuffix(mismatch.Provided, "/"):
			says = "{Name} calls itself by another issuer than the one configured. Remove the slash at the end of the issuer in Setup."
		}
		return c.misconfigured(says, &OtherIssuer{mismatch.Discovered})
	case errors.As(err, &answered) && !answered.temporary():
		return c.misconfigured("{Name} has no OpenID discovery document at the configured issuer. Check the issuer in Setup.", answered)
	case isNetwork(err):
		return c.unreachable(err)
	}
	return c.misconfigured("{Name} answers at the configured issuer, but not with an OpenID discovery document. Check the issuer in Setup.", cause(err))
}

// OtherIssuer is the cause of an error that says that the provider calls itself
// by another issuer than the one configured. Nothing has vouched for Issuer.
type OtherIssuer struct{ Issuer string }

func (e *OtherIssuer) Error() string {
	return fmt.Sprintf("the document's issuer is %q", clean(e.Issuer))
}

// Check asks for discovery document and keys afresh, whatever is known. It is
// for doctor, and for probing at start and during an outage.
func (c *Client) Check(ctx context.Context) error {
	_, err := c.discover(ctx, true)
	return err
}

// checkKeys fetches the JWKS and looks for a key that can verify a signature.
func (c *Client) checkKeys(ctx context.Context, m *metadata) *oauth.ProviderError {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.JWKS, nil)
	var resp *http.Response
	if err == nil {
		resp, err = c.http.Do(req)
	}
	if err != nil {
		return c.keysError(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return c.keysError(err)
	}
	set, err := readKeys(body)
	c.mu.Lock()
	c.left = set.left
	c.mu.Unlock()
	if err == nil && len(set.keys) > 0 {
		return nil
	}
	err = nil
	if len(set.left) > 0 {
		err = errors.New(set.left[0])
	}
	return c.misconfigured("{Name} publishes no key that could verify a sign-in. Check the issuer in Setup.", err)
}

// LeftOut says which of the provider's keys the last [Client.Check] could not
// read, and why. Sign-ins do without them.
func (c *Client) LeftOut() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.left)
}

// keysError says why the keys could not be had.
func (c *Client) keysError(err error) *oauth.ProviderError {
	var answered *statusError
	if errors.As(err, &answered) && !answered.temporary() {
		return c.misconfigured("{Name} does not publish its keys where its discovery document says. Check the issuer in Setup.", answered)
	}
	return c.unreachable(err)
}

// secureURL reports whether s is an absolute https URL, or http on loopback
// where that is allowed.
func secureURL(s string, allowLocal bool) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || allowLocal && u.Scheme == "http" && hostname.Loopback(u.Hostname())
}
