package idp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// RedirectKnown is what a provider lets on about our redirect URI.
type RedirectKnown int

// What a provider lets on.
const (
	RedirectUntold  RedirectKnown = iota // it shows a page, as to a person
	RedirectYes                          // it answers there
	RedirectRefused                      // it shows an error instead
)

// maxProbe is how much of a page is searched for an error, in bytes.
const maxProbe = 256 << 10

// CheckRedirect asks the provider to answer without showing anything (OpenID
// Connect Core 1.0 §3.1.2.1, prompt=none). One that knows client and redirect
// URI sends us back there, mostly with login_required; one that does not must
// not (RFC 6749 §4.1.2.1), and shows a page of its own. The error says why the
// provider could not be asked, or what it has against the request.
func (c *Client) CheckRedirect(ctx context.Context) (RedirectKnown, error) {
	address, err := c.AuthURL(ctx, oauth.UpstreamRequest{State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(), Prompt: "none"})
	if err != nil {
		return RedirectUntold, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return RedirectUntold, c.unreachable(err)
	}
	req.Header.Set("Accept", "text/html")
	// Not by c.http: it follows redirects, and holds an error page for no answer.
	resp, err := c.probing().Do(req)
	if err != nil {
		return RedirectUntold, c.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	to := resp.Header.Get("Location")
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProbe))
	switch {
	case to == c.cfg.RedirectURI || strings.HasPrefix(to, c.cfg.RedirectURI+"?"):
		return RedirectYes, c.answerToProbe(to)
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return RedirectUntold, c.unreachable(&statusError{resp.StatusCode})
	}
	if code, description := pageError(to, body); code != "" || description != "" {
		return RedirectRefused, c.explain(code, description, 0)
	}
	if resp.StatusCode >= 400 {
		return RedirectRefused, c.misconfigured(redirectOrClient, nil)
	}
	return RedirectUntold, nil
}

const redirectOrClient = "{Name} does not know Drawbridge's redirect URI, or its client ID. Add {redirect} to the app's redirect URIs there, byte for byte, and compare the client ID."

// answerToProbe is what the provider has against a request that it answered at
// our redirect URI. That somebody has to sign in is no fault.
func (c *Client) answerToProbe(location string) error {
	u, err := url.Parse(location)
	if err != nil {
		return nil
	}
	code := u.Query().Get("error")
	if fault := c.explain(code, u.Query().Get("error_description"), 0); code != "" && fault.Kind == oauth.ProviderMisconfigured {
		return fault
	}
	return nil
}

var aadsts = regexp.MustCompile(`AADSTS[0-9]{4,8}`)

// pageError finds an error in a page that was meant for a person: Microsoft
// Entra's by its number, Google's in the address of its page. Both answer with
// no status of an error.
func pageError(location string, body []byte) (code, description string) {
	if number := aadsts.Find(body); number != nil {
		return "", string(number)
	}
	if u, err := url.Parse(location); err == nil && strings.Contains(u.Path, "/oauth/error") {
		said, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(u.Query().Get("authError")), "="))
		for _, code := range []string{"redirect_uri_mismatch", "invalid_client", "deleted_client", "admin_policy_enforced", "org_internal", "invalid_scope"} {
			if bytes.Contains(said, []byte(code)) {
				return code, ""
			}
		}
		return "invalid_request", "redirect_uri"
	}
	return "", ""
}

// probing is c.http for a page: it reads any status, and follows nothing.
func (c *Client) probing() *http.Client {
	probe := *c.http
	if t, ok := probe.Transport.(*transport); ok {
		probe.Transport = t.base
	}
	probe.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &probe
}

// CheckClient asks the token endpoint whether it answers and knows us, with a
// code that nobody was given: one that authenticated us says invalid_grant
// (RFC 6749 §5.2), one that did not says invalid_client. Unlike [Client.Check]
// it uses the client secret.
func (c *Client) CheckClient(ctx context.Context) error {
	m, err := c.discovered(ctx)
	if err != nil {
		return err
	}
	_, fault := c.requestToken(ctx, m, func(ctx context.Context, conf *oauth2.Config) (*oauth2.Token, error) {
		return conf.Exchange(ctx, "drawbridge-check", oauth2.VerifierOption(rand.Text()+rand.Text()))
	})
	if fault != nil && fault.Kind == oauth.ProviderMisconfigured && fault.Code != "invalid_client" && fault.Code != "unauthorized_client" {
		fault = nil // it answered and knew us; what it thinks of the code does not count
	}
	c.noteToken(fault)
	if fault == nil || fault.Kind == oauth.ProviderRefused {
		return nil
	}
	return fault
}
