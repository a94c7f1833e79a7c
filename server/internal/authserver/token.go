package authserver

import (
	"cmp"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// tokenAnswer is RFC 6749 §5.1.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// jwtBearer is the grant type of RFC 7523 §2.1.
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// grantTypes are those of the token endpoint.
var grantTypes = map[string]string{"authorization_code": oauth.GrantCode, "refresh_token": oauth.GrantRefresh, jwtBearer: oauth.GrantAssertion, "client_credentials": oauth.GrantMachine}

// Token answers POST /token (RFC 6749 §3.2).
func (s *Server) Token(w http.ResponseWriter, r *http.Request) {
	form, client, err := s.clientRequest(w, r)
	if err != nil {
		s.refuse(w, r, &redeeming, err, whom{})
		return
	}
	req := oauth.TokenRequest{ClientID: client.ID, Code: form.Get("code"), RedirectURI: form.Get("redirect_uri"), Verifier: form.Get("code_verifier"),
		Refresh: form.Get("refresh_token"), Scope: form.Get("scope"), Resource: form["resource"], Remote: remote(r)}
	timeline.Note(r.Context(), timeline.Facts{Client: client.Name, Session: s.Grants.SessionOf(cmp.Or(req.Code, req.Refresh)), Resource: form.Get("resource")})
	tokens, what, err := s.tokens(r, client, form, req)
	if err != nil {
		s.refuse(w, r, &redeeming, err, whom{client: client.Name})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{What: what, Session: s.Grants.SessionOf(tokens.Access)})
	writeJSON(w, http.StatusOK, tokenAnswer{AccessToken: tokens.Access, TokenType: "Bearer", ExpiresIn: int64(tokens.ExpiresIn.Seconds() + 0.5),
		RefreshToken: tokens.Refresh, Scope: strings.Join(tokens.Scopes, " ")})
}

// tokens does what the grant type says, and returns what that is to the timeline.
func (s *Server) tokens(r *http.Request, client *oauth.Client, form url.Values, req oauth.TokenRequest) (tokens oauth.Tokens, what timeline.What, err error) {
	grant, known := grantTypes[form.Get("grant_type")]
	renewed := false
	switch {
	case form.Get("grant_type") == "":
		err = oauth.InvalidRequest("grant_type is missing.")
	case !known, grant == oauth.GrantAssertion && s.Assertions == nil:
		err = &oauth.Error{Code: "unsupported_grant_type", Status: http.StatusBadRequest, Description: "This grant_type is not supported here."}
	case !client.May(grant):
		err = oauth.UnauthorizedClient("This client may not use this grant_type. The owner can add one that may.")
	case grant == oauth.GrantCode && (req.Code == "" || req.Verifier == ""):
		err = oauth.InvalidRequest("code and code_verifier are needed.")
	case grant == oauth.GrantCode:
		tokens, err = s.Grants.Redeem(req)
	case grant == oauth.GrantRefresh && req.Refresh == "":
		err = oauth.InvalidRequest("refresh_token is missing.")
	case grant == oauth.GrantRefresh:
		renewed = true
		tokens, err = s.Grants.Refresh(r.Context(), req)
	case grant == oauth.GrantMachine:
		timeline.Note(r.Context(), timeline.Facts{User: oauth.MachinePrefix + client.Name})
		tokens, renewed, err = s.Grants.ForMachine(client, req)
	case form.Get("assertion") == "":
		err = oauth.InvalidRequest("assertion is missing.")
	default:
		var a oauth.Assertion
		if a, err = s.Assertions.Verify(r.Context(), form.Get("assertion"), client.ID); err == nil {
			timeline.Note(r.Context(), timeline.Facts{User: cmp.Or(a.Identity.Email, a.Identity.Subject), Groups: a.Identity.Groups})
			tokens, renewed, err = s.Grants.RedeemAssertion(client, a, req)
			what = timeline.Vouched
		}
	}
	if renewed {
		return tokens, timeline.Refreshed, err
	}
	return tokens, cmp.Or(what, timeline.Issued), err
}

// Revoke answers POST /revoke (RFC 7009). The kind of token is in the token, so
// the hint is not needed.
func (s *Server) Revoke(w http.ResponseWriter, r *http.Request) {
	form, client, err := s.clientRequest(w, r)
	if err == nil && form.Get("token") == "" {
		err = oauth.InvalidRequest("token is missing.")
	}
	if err == nil {
		err = s.Grants.RevokeToken(form.Get("token"), client.ID, remote(r))
	}
	if err != nil {
		s.refuse(w, r, &revoking, err, whom{})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// clientRequest reads a form and finds out which client sent it (RFC 6749
// §2.3). Public clients name themselves; some do so by Basic with an empty
// secret, which is taken as the same. Of a secret that a person has pasted
// beside the provider's client id nothing is believed: PKCE proves what counts.
// One that the owner has added proves itself by its secret, in the header, with
// both parts encoded (§2.3.1), or in the form.
func (s *Server) clientRequest(w http.ResponseWriter, r *http.Request) (url.Values, *oauth.Client, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return nil, nil, oauth.InvalidRequest("The body must be application/x-www-form-urlencoded.")
	}
	form, err := parameters(w, r)
	if err != nil {
		return nil, nil, err
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		name, err := url.QueryUnescape(user)
		pass, bad := url.QueryUnescape(pass)
		if err != nil || bad != nil || id != "" && id != name || pass != "" && secret != "" {
			return nil, nil, oauth.InvalidClient("The client is named twice, differently.")
		}
		id, secret = name, cmp.Or(pass, secret)
	} else if r.Header.Get("Authorization") != "" {
		return nil, nil, oauth.InvalidClient("The Authorization header is not one that is understood here.")
	}
	assertion := form.Get("client_assertion")
	if assertion != "" && id == "" {
		id = assertionClient(assertion)
	}
	timeline.Note(r.Context(), timeline.Facts{ClientID: id})
	client, err := s.tokenClient(r, id)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case assertion != "":
		if client.AuthMethod != "private_key_jwt" || form.Get("client_assertion_type") != assertionType {
			return nil, nil, oauth.InvalidClient("This client does not authenticate by private_key_jwt.")
		}
		err = s.checkAssertion(r.Context(), client, assertion, actor(r))
	case client.AuthMethod == "private_key_jwt":
		err = oauth.InvalidClient("This client must authenticate by private_key_jwt (RFC 7523).")
	case client.AuthMethod == oauth.BySecret && !s.Grants.ProveSecret(client.ID, secret):
		timeline.Note(r.Context(), timeline.Facts{Client: client.Name})
		err = s.wrongSecret(client.ID, r)
	}
	return form, client, err
}

// wrongSecret is the refusal of a wrong secret, or of too many: those of one client
// and one address are counted. The right one is taken all the while.
func (s *Server) wrongSecret(client string, r *http.Request) error {
	l, _ := s.guesses.LoadOrStore(client, limit.Each(0.2, 10))
	if wait, ok := l.(*limit.Limit).Allow(remote(r), s.Now()); !ok {
		return &oauth.Error{Code: "temporarily_unavailable", Status: http.StatusTooManyRequests, RetryAfter: max(wait, time.Second),
			Description: "Too many wrong secrets from this address. Wait a moment, then try again.", Err: oauth.ErrSecret}
	}
	return oauth.InvalidClient("The client secret is wrong, or missing.").Because(oauth.ErrSecret)
}

// tokenClient is [Server.client], but a public client whose metadata document
// can't be had right now goes on with the sessions it has: the document is for
// new sign-ins. So does every client once documents are switched off.
func (s *Server) tokenClient(r *http.Request, id string) (*oauth.Client, error) {
	client, err := s.client(r, id)
	if err != nil && isDocumentURL(id) {
		if known, ok := s.Grants.SignedIn(id); ok && (known.AuthMethod == "none" || s.NoDocuments) {
			return known, nil
		}
	}
	return client, err
}
