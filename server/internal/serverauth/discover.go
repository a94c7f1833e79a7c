package serverauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// maxAnswer bounds each answer that is read, in bytes.
const maxAnswer = 256 << 10

// sentence is an error for a person, without what the server wrote.
func sentence(format string, args ...any) error { return fmt.Errorf(format, args...) }

// found is where people sign in at a server, checked.
type found struct {
	resource string
	asked    []string // scopes
	metadata
}

// metadata is of RFC 8414 and OpenID Connect Discovery.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Registration  string   `json:"registration_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	Scopes        []string `json:"scopes_supported"`
	SendsIssuer   bool     `json:"authorization_response_iss_parameter_supported"`
	Documents     bool     `json:"client_id_metadata_document_supported"`
}

// discover finds out where people sign in at the server (MCP, "Authorization
// Server Discovery"), by its challenge.
func (s *SignIns) discover(ctx context.Context, server *url.URL, challenge map[string]string) (*found, error) {
	var about struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	origin := server.Scheme + "://" + server.Host
	places := []string{origin + "/.well-known/oauth-protected-resource" + strings.TrimSuffix(server.EscapedPath(), "/"), origin + "/.well-known/oauth-protected-resource"}
	if named := challenge["resource_metadata"]; named != "" {
		places = []string{named}
	}
	bare := *server
	bare.RawQuery, bare.ForceQuery = "", false // RFC 8707 §2; it may be a secret
	f := &found{resource: bare.String(), asked: strings.Fields(challenge["scope"])}
	err := s.firstOf(ctx, server, places, &about)
	switch {
	case err == nil && !binds(about.Resource, server):
		return nil, sentence("says that its sign-in is for another server, so it is not used")
	case err == nil && len(about.Servers) > 0:
		f.resource = about.Resource
		if len(f.asked) == 0 {
			f.asked = about.Scopes
		}
	case err != nil && (challenge["resource_metadata"] != "" || !errors.Is(err, errNothing)):
		return nil, err
	default: // a server of 2025-03-26 is its own authorization server
		about.Servers = []string{origin}
	}
	for _, issuer := range about.Servers[:min(len(about.Servers), 3)] {
		if err = s.describe(ctx, server, issuer, &f.metadata); err == nil {
			return f, nil
		}
	}
	return nil, err
}

// describe reads what the authorization server of issuer says of itself.
func (s *SignIns) describe(ctx context.Context, server *url.URL, issuer string, m *metadata) error {
	u, err := url.Parse(issuer)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || !allowed(issuer, server) {
		return sentence("names a place to sign in that it must not lead to, so it is not used")
	}
	origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	places := []string{origin + "/.well-known/oauth-authorization-server" + path, origin + "/.well-known/openid-configuration" + path}
	if path != "" {
		places = append(places, origin+path+"/.well-known/openid-configuration")
	}
	*m = metadata{}
	if err := s.firstOf(ctx, server, places, m); err != nil {
		return err
	}
	// RFC 8414 §3.3. A slash at the end makes no other server.
	if strings.TrimSuffix(m.Issuer, "/") != strings.TrimSuffix(issuer, "/") {
		return sentence("leads to a place to sign in that calls itself by another name (issuer), so it is not used")
	}
	for _, endpoint := range []string{m.Authorization, m.Token, m.Registration, m.Revocation} {
		if endpoint != "" && !allowed(endpoint, server) {
			return sentence("names a place to sign in that it must not lead to, so it is not used")
		}
	}
	at, err := url.Parse(m.Authorization)
	switch {
	case err != nil, m.Authorization == "", m.Token == "":
		return sentence("does not say where people sign in")
	case !m.SendsIssuer && at.Host != u.Host: // whose answer it is could not be told (mix-up)
		return sentence("has people sign in at another place than it names (%s), so it is not used", short(u.Host))
	case !slices.Contains(m.Challenges, "S256"):
		return sentence("signs people in without PKCE (S256), which is not safe, so it is not used")
	}
	return nil
}

// binds reports whether the resource of a document is the server that it was
// asked of, or a place above it (RFC 9728 §3.3).
func binds(resource string, server *url.URL) bool {
	u, err := url.Parse(resource)
	if err != nil || !strings.EqualFold(u.Scheme, server.Scheme) || !hostname.Same(u.Host, server.Host) || u.User != nil || u.Fragment != "" ||
		u.RawQuery != "" && u.RawQuery != server.RawQuery {
		return false
	}
	rest, ok := strings.CutPrefix(strings.TrimSuffix(server.EscapedPath(), "/"), strings.TrimSuffix(u.EscapedPath(), "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// allowed reports whether the server may name an address: https, or as far as the
// server itself goes; and nothing on a nearer side of the network. What a name
// leads to is looked at when it is dialled.
func allowed(address string, server *url.URL) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	side, same := outbound.SideOf(u.Hostname()), hostname.Same(u.Hostname(), server.Hostname())
	switch u.Scheme {
	case "https":
		return same || side <= outbound.SideOf(server.Hostname())
	case "http":
		return same && server.Scheme == "http" || side == outbound.Here && outbound.SideOf(server.Hostname()) == outbound.Here
	}
	return false
}

// errNothing says that there is no document.
var errNothing = errors.New("does not say where people sign in. Make a token there, and set it as an Authorization header in mcp.json")

// firstOf reads the first document that there is.
func (s *SignIns) firstOf(ctx context.Context, server *url.URL, places []string, into any) error {
	for _, place := range places {
		if !allowed(place, server) {
			return sentence("names a place to sign in that it must not lead to, so it is not used")
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
		if err != nil {
			return errNothing
		}
		switch err := s.ask(req, server.String(), into); {
		case err == nil:
			return nil
		case !errors.Is(err, errNothing):
			return err
		}
	}
	return errNothing
}

// ask makes a request and reads its JSON.
func (s *SignIns) ask(req *http.Request, server string, into any) error {
	req.Header.Set("Accept", "application/json")
	resp, err := s.httpFor(server).Do(req)
	if err != nil {
		return plain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return sentence("can't sign anybody in at this moment (status %d). Try again in a minute", resp.StatusCode)
	case resp.StatusCode >= 300:
		return errNothing
	case err != nil:
		return plain(err)
	case json.Unmarshal(body, into) != nil:
		return errNothing
	}
	return nil
}

// httpFor is the client for what a server names. What it answers is bounded.
func (s *SignIns) httpFor(server string) *http.Client {
	u, _ := url.Parse(server)
	c := *s.o.Client(u.Hostname())
	c.Transport = bounded{c.Transport}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// plain is why a request failed, as a sentence without its address.
func plain(err error) error {
	var long *http.MaxBytesError
	var answered *oauth2.RetrieveError
	switch {
	case errors.Is(err, outbound.ErrPrivate):
		return sentence("leads to an address that is not on the public internet, so it is not asked")
	case errors.As(err, &long):
		return sentence("answered more than can be read")
	case errors.As(err, &answered) && answered.ErrorCode != "":
		return sentence("refused the sign-in (%s)", short(answered.ErrorCode))
	case errors.As(err, &answered):
		return sentence("refused the sign-in (status %d)", answered.Response.StatusCode)
	}
	return sentence("can't be reached for its sign-in. Try again in a minute")
}

// clientFor is who we are at an authorization server: the client that the owner
// registered, one by a metadata document, or one that we register now (MCP,
// "Client Registration Approaches").
func (s *SignIns) clientFor(ctx context.Context, server *url.URL, name, ownID string, f *found, redirect string) (client, string, error) {
	style := func(method string, secret string) oauth2.AuthStyle {
		switch {
		case secret == "", method == "client_secret_post", method == "" && !slices.Contains(f.AuthMethods, "client_secret_basic") && slices.Contains(f.AuthMethods, "client_secret_post"):
			return oauth2.AuthStyleInParams
		}
		return oauth2.AuthStyleInHeader
	}
	if ownID != "" {
		secret, err := keystore.Text(ctx, s.o.Keystore, keystore.ServerSecret(name, ClientSecret))
		return client{ID: ownID, Style: style("", secret), Own: true}, secret, err
	}
	if f.Documents && strings.HasPrefix(s.o.Base, "https://") {
		return client{ID: s.o.Base + Path + "/" + s.id(name) + "/client", Style: oauth2.AuthStyleInParams}, "", nil
	}
	if f.Registration == "" {
		return client{}, "", sentence("lets no program register itself. Register Drawbridge there with the redirect URI %s, and set the id that you get as client_id in [server.%s] of config.toml, its secret with `drawbridge secret set %[2]s/%[3]s`", redirect, name, ClientSecret)
	}
	body, err := json.Marshal(s.describes(redirect))
	if err != nil {
		return client{}, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.Registration, bytes.NewReader(body))
	if err != nil {
		return client{}, "", errNothing
	}
	req.Header.Set("Content-Type", "application/json")
	var got struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Method string `json:"token_endpoint_auth_method"`
	}
	if err := s.ask(req, server.String(), &got); err != nil || got.ID == "" {
		if err == nil || errors.Is(err, errNothing) {
			err = sentence("did not let Drawbridge register itself")
		}
		return client{}, "", err
	}
	return client{ID: got.ID, Style: style(got.Method, got.Secret)}, got.Secret, nil
}

// describes is what a client of ours says of itself (RFC 7591 §2).
func (s *SignIns) describes(redirects ...string) map[string]any {
	return map[string]any{"client_name": "Drawbridge", "redirect_uris": redirects, "grant_types": []string{"authorization_code", "refresh_token"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": "none", "application_type": "native"}
}

// Document is the client's metadata document at [Path]/id/client; nil if there is
// no such server.
func (s *SignIns) Document(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.servers {
		if s.id(name) == id {
			d := s.describes(s.loopback(id), "http://127.0.0.1"+LoopbackPath+id, s.public(id))
			d["client_id"] = s.o.Base + Path + "/" + id + "/client"
			body, _ := json.Marshal(d)
			return body
		}
	}
	return nil
}
