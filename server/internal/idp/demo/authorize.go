package demo

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// request is an authorization request that has been checked.
type request struct {
	redirectURI, state, scope, nonce, challenge, audience string
}

// authorize shows the sign-in page (OpenID Connect Core 1.0 §3.1.2). There is
// no session: it asks each time, so it approves nobody silently. A POST that
// names a user already is the answer of a page.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		problem(w, "The request can't be read.")
		return
	}
	// Until client and redirect URI are proven, nothing is redirected
	// (RFC 6749 §4.1.2.1).
	if r.Form.Get("client_id") != ClientID {
		problem(w, "This client is not known here. The demo provider knows one: "+ClientID+".")
		return
	}
	req := request{
		redirectURI: r.Form.Get("redirect_uri"),
		state:       r.Form.Get("state"),
		scope:       r.Form.Get("scope"),
		nonce:       r.Form.Get("nonce"),
		challenge:   r.Form.Get("code_challenge"),
		audience:    r.Form.Get("audience"),
	}
	if !loopbackRedirect(req.redirectURI) {
		problem(w, "The redirect URI is not an http URL on this machine.")
		return
	}
	if code, description := refuse(r.Form, req); code != "" {
		redirect(w, r, req, url.Values{"error": {code}, "error_description": {description}})
		return
	}
	if r.PostForm.Has("user") {
		p.answer(w, r, req)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	render(w, http.StatusOK, pageData{Action: p.prefix + "/authorize?" + r.Form.Encode(), People: p.people})
}

// refuse returns the error code and description for a request that can be
// answered by redirect but not granted, or "".
func refuse(form url.Values, req request) (code, description string) {
	switch {
	case form.Get("response_type") != "code":
		return "unsupported_response_type", "only the authorization code flow is supported"
	case !slices.Contains(strings.Fields(req.scope), "openid"):
		return "invalid_scope", "the scope openid is missing"
	case req.challenge == "" || form.Get("code_challenge_method") != "S256":
		return "invalid_request", "PKCE with S256 is required"
	case slices.Contains(strings.Fields(form.Get("prompt")), "none"):
		return "login_required", "the demo provider asks each time"
	case form.Has("resource"):
		return "invalid_target", "resource is not supported"
	}
	return "", ""
}

// answer sends the browser back with a code for the person that was chosen.
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, req request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch who := p.find(r.PostFormValue("user")); {
	case who == nil:
		problem(w, "There is no such person here.")
	case !who.Active:
		redirect(w, r, req, url.Values{"error": {"access_denied"}, "error_description": {"the person is deactivated"}})
	default:
		redirect(w, r, req, url.Values{"code": {p.begin(req, who.User).code}})
	}
}

// redirect answers at the request's redirect URI, whose own query stays.
func redirect(w http.ResponseWriter, r *http.Request, req request, answer url.Values) {
	if req.state != "" {
		answer.Set("state", req.state)
	}
	separator := "?"
	if strings.Contains(req.redirectURI, "?") {
		separator = "&"
	}
	// 303 turns the page's POST into a GET at the app.
	http.Redirect(w, r, req.redirectURI+separator+answer.Encode(), http.StatusSeeOther)
}

// loopbackRedirect reports whether uri is an http URL on this machine.
func loopbackRedirect(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "http" && hostname.Loopback(u.Hostname()) && u.User == nil && !strings.Contains(uri, "#")
}
