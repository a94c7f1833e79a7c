package authserver

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// A browser carries one random cookie of ours, whatever number of sign-ins it
// has on the way, and a flow belongs to the browser that first looked at it.
// The cookie is no credential: it only tells browsers apart.
const browserTTL = 30 * 24 * time.Hour

// cookieName has the prefix that keeps other hosts and plain http from setting
// it, where https makes that possible.
func (s *Server) cookieName() string {
	if strings.HasPrefix(s.Issuer, "https://") {
		return "__Host-drawbridge"
	}
	return "drawbridge"
}

// browser returns the browser that sent r, or "". Of two cookies one was put
// there by somebody else (a page on another port of this computer can), and
// nothing says which; so neither counts.
func (s *Server) browser(r *http.Request) string {
	c := r.CookiesNamed(s.cookieName())
	if len(c) != 1 || len(c[0].Value) != 43 {
		return ""
	}
	return hashed(c[0].Value)
}

func hashed(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// nameBrowser returns the browser that sent r, giving it a cookie if it has none.
func (s *Server) nameBrowser(w http.ResponseWriter, r *http.Request) string {
	if id := s.browser(r); id != "" {
		return id
	}
	var b [32]byte
	_, _ = rand.Read(b[:])
	c := &http.Cookie{Name: s.cookieName(), Value: base64.RawURLEncoding.EncodeToString(b[:]), Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.Issuer, "https://"), MaxAge: int(browserTTL.Seconds())}
	http.SetCookie(w, c)
	return hashed(c.Value)
}

// Consent answers GET /consent: who asks, where the answer goes, as whom.
func (s *Server) Consent(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("flow")
	timeline.Note(r.Context(), timeline.Facts{Flow: id})
	browser := s.nameBrowser(w, r)
	if cameByThemselves(r) {
		if flow, up, ok := s.Grants.ApproveRemembered(id, browser); ok {
			timeline.Note(r.Context(), timeline.Facts{What: timeline.ConsentKept})
			s.toProvider(w, r, flow, up)
			return
		}
	}
	flow, err := s.Grants.View(id, browser)
	if err != nil {
		s.refuse(w, r, &viewing, err, whom{})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{What: timeline.ConsentShown})
	scheme, _, _ := strings.Cut(flow.RedirectURI, ":")
	s.page(w, http.StatusOK, formAction(flow.RedirectURI, s.ProviderIssuer), func(b *bytes.Buffer) error {
		return assets.Consent(b, assets.ConsentPage{
			Lang:       r.Header.Get("Accept-Language"),
			ClientName: flow.Client.Name, ClientHost: oauth.RedirectHost(flow.RedirectURI), RedirectURI: flow.RedirectURI, ClientKind: flow.Client.Kind, ClientID: flow.Client.ID,
			Loopback: strings.EqualFold(scheme, "http"), Scopes: flow.Scopes, Provider: hostOf(s.ProviderIssuer), ServerName: hostOf(s.Issuer), MCPURL: s.MCPURL,
			Flow: flow.ID, CSRF: flow.CSRF, MayRemember: flow.MayRemember(),
		})
	})
}

// Answer answers POST /consent, the person's yes or no. The form must come from
// the page that this browser was shown: another's is refused.
func (s *Server) Answer(w http.ResponseWriter, r *http.Request) {
	form, err := parameters(w, r)
	timeline.Note(r.Context(), timeline.Facts{Flow: form.Get("flow")})
	if err == nil && crossSite(r, s.Issuer) {
		err = &oauth.Error{Code: "access_denied", Status: http.StatusForbidden, Description: "The answer came from another site, so it was not taken as yours."}
	}
	if err != nil {
		s.refuse(w, r, &answering, err, whom{})
		return
	}
	id, browser, csrf := form.Get("flow"), s.browser(r), form.Get("csrf")
	switch form.Get("action") {
	case "approve":
		flow, up, err := s.Grants.Approve(id, browser, csrf, form.Get("remember") != "")
		if err != nil {
			s.refuse(w, r, &answering, err, whom{})
			return
		}
		timeline.Note(r.Context(), timeline.Facts{What: timeline.ConsentApproved})
		s.toProvider(w, r, flow, up)
	case "deny":
		flow, err := s.Grants.Deny(id, browser, csrf)
		if err != nil {
			s.refuse(w, r, &answering, err, whom{})
			return
		}
		s.refuse(w, r, &denied, oauth.AccessDenied("The person chose not to let this client in.").Telling("the person chose Deny"), ofFlow(flow))
	default:
		s.refuse(w, r, &answering, oauth.InvalidRequest("The form's action must be approve or deny."), whom{})
	}
}

// toProvider sends the browser on to sign in.
func (s *Server) toProvider(w http.ResponseWriter, r *http.Request, flow *oauth.Flow, up oauth.UpstreamRequest) {
	location, err := s.Provider.AuthURL(r.Context(), up)
	if err != nil {
		s.failProvider(w, r, flow, err)
		return
	}
	redirect(w, location)
}

// cameByThemselves reports whether the person opened this page without another
// site's doing. Browsers say so (Fetch Metadata); one that doesn't gets asked.
func cameByThemselves(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "none" || site == "same-origin"
}

// crossSite reports whether a form was sent by another site's page. Our pages
// have no referrer, so their Origin may read "null"; then cookie and hidden
// field decide alone.
func crossSite(r *http.Request, issuer string) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	origin := r.Header.Get("Origin")
	return origin != "" && origin != "null" && origin != issuer
}

// formAction lists where the consent form may lead. Browsers hold every
// redirect after a form against it: the provider, whatever sign-in pages it
// passes through, our callback, and the client.
func formAction(redirectURI, provider string) string {
	sources := "'self' https:"
	for _, s := range []string{redirectURI, provider} {
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme == "https":
		case u.Scheme == "http" && strings.Contains(u.Hostname(), ":"):
			// CSP has no word for an IPv6 address, and browsers ignore a
			// source they can't read: any host at that port then.
			sources += " http://*" + strings.TrimPrefix(u.Host, "["+u.Hostname()+"]")
		case u.Scheme == "http":
			sources += " http://" + u.Host
		default:
			sources += " " + u.Scheme + ":"
		}
	}
	return sources
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}
