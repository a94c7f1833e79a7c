package authserver

import (
	"cmp"
	"mime"
	"net/http"
	"net/url"
	"strings"

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

// Token answers POST /token (RFC 6749 §3.2): authorization_code and
// refresh_token.
func (s *Server) Token(w http.ResponseWriter, r *http.Request) {
	form, client, err := s.clientRequest(w, r)
	if err != nil {
		s.refuse(w, r, &redeeming, err, whom{})
		return
	}
	req := oauth.TokenRequest{ClientID: client.ID, Code: form.Get("code"), RedirectURI: form.Get("redirect_uri"), Verifier: form.Get("code_verifier"),
		Refresh: form.Get("refresh_token"), Scope: form.Get("scope"), Resource: form["resource"], Remote: remote(r)}
	timeline.Note(r.Context(), timeline.Facts{Client: client.Name, Session: s.Grants.SessionOf(cmp.Or(req.Code, req.Refresh)), Resource: form.Get("resource")})
	var tokens oauth.Tokens
	switch form.Get("grant_type") {
	case "authorization_code":
		if req.Code == "" || req.Verifier == "" {
			err = oauth.InvalidRequest("code and code_verifier are needed.")
			break
		}
		tokens, err = s.Grants.Redeem(req)
	case "refresh_token":
		if req.Refresh == "" {
			err = oauth.InvalidRequest("refresh_token is missing.")
			break
		}
		tokens, err = s.Grants.Refresh(r.Context(), req)
	case "":
		err = oauth.InvalidRequest("grant_type is missing.")
	default:
		err = &oauth.Error{Code: "unsupported_grant_type", Status: http.StatusBadRequest, Description: "grant_type must be authorization_code or refresh_token."}
	}
	if err != nil {
		s.refuse(w, r, &redeeming, err, whom{client: client.Name})
		return
	}
	what := timeline.Issued
	if form.Get("grant_type") == "refresh_token" {
		what = timeline.Refreshed
	}
	timeline.Note(r.Context(), timeline.Facts{What: what})
	writeJSON(w, http.StatusOK, tokenAnswer{AccessToken: tokens.Access, TokenType: "Bearer", ExpiresIn: int64(tokens.ExpiresIn.Seconds() + 0.5),
		RefreshToken: tokens.Refresh, Scope: strings.Join(tokens.Scopes, " ")})
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
func (s *Server) clientRequest(w http.ResponseWriter, r *http.Request) (url.Values, *oauth.Client, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return nil, nil, oauth.InvalidRequest("The body must be application/x-www-form-urlencoded.")
	}
	form, err := parameters(w, r)
	if err != nil {
		return nil, nil, err
	}
	id := form.Get("client_id")
	if user, _, ok := r.BasicAuth(); ok {
		name, err := url.QueryUnescape(user)
		if err != nil || id != "" && id != name {
			return nil, nil, oauth.InvalidClient("The client is named twice, differently.")
		}
		id = name
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
		err = oauth.InvalidClient("This client must authenticate by private_key_jwt (RFC 7523), as its metadata document says.")
	}
	return form, client, err
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
