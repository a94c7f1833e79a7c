package authserver

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// Callback answers GET /auth/callback, where the provider sends the browser
// back to. It asks twice (the grants for the flow, the provider for the person)
// and tells once.
func (s *Server) Callback(w http.ResponseWriter, r *http.Request) {
	query, err := parameters(w, r)
	if err == nil && query.Get("code") == "" && query.Get("error") == "" {
		err = oauth.InvalidRequest("The sign-in provider's answer has neither code nor error.")
	}
	if err != nil {
		s.refuse(w, r, &malformed, err, whom{})
		return
	}
	// A stranger can't guess the state, and with it could only fail the dry run:
	// nothing comes of one but what the owner reads in the console.
	if s.DryRun != nil {
		if back := s.DryRun.Callback(r.Context(), query); back != "" {
			http.Redirect(w, r, back, http.StatusSeeOther) // the owner's console, on their own machine
			return
		}
	}
	if s.proves(w, r, query) {
		return
	}
	flow, up, err := s.Grants.Callback(query.Get("state"), s.browser(r))
	if err != nil {
		s.refuse(w, r, &returning, err, whom{})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{Flow: flow.ID})
	if iss := query.Get("iss"); iss != "" && iss != s.ProviderIssuer && !strings.Contains(s.ProviderIssuer, "{") {
		s.failProvider(w, r, flow, &oauth.ProviderError{Kind: oauth.ProviderMisconfigured,
			Message: "The answer came from another sign-in provider than the one configured (RFC 9207)."})
		return
	}
	if code := query.Get("error"); code != "" {
		s.refuse(w, r, &atProvider, providerError(s.Provider.Explain(code, query.Get("error_description"))), ofFlow(flow))
		return
	}
	person, err := s.Provider.Exchange(r.Context(), query.Get("code"), up)
	if err != nil {
		s.failProvider(w, r, flow, err)
		return
	}
	timeline.Note(r.Context(), timeline.Facts{User: cmp.Or(person.Identity.Email, person.Identity.Subject), Groups: person.Identity.Groups})
	code, err := s.Grants.Complete(flow, person)
	if err != nil {
		s.refuse(w, r, &completing, err, ofFlow(flow))
		return
	}
	timeline.Note(r.Context(), timeline.Facts{What: timeline.ProviderDone, Session: s.Grants.SessionOf(code)})
	s.answerClient(w, flow.RedirectURI, flow.ClientState, url.Values{"code": {code}})
}

// failProvider tells the person, on a page, that the provider could not be used:
// it is they, or the owner of this Drawbridge, who can do something about it.
// The provider's own refusals go on to the client instead.
func (s *Server) failProvider(w http.ResponseWriter, r *http.Request, flow *oauth.Flow, err error) {
	e := providerError(err)
	if e.Code == "access_denied" {
		e.Code = "server_error"
	}
	s.refuse(w, r, &atProvider, e, whom{client: flow.Client.Name})
}

// providerError is a provider's error in the nearest words that RFC 6749
// §4.1.2.1 has.
func providerError(err error) *oauth.Error {
	pe := &oauth.ProviderError{Message: "The sign-in provider could not be used.", Kind: oauth.ProviderMisconfigured, Err: err}
	errors.As(err, &pe)
	e := &oauth.Error{Code: "server_error", Description: pe.Message, Status: http.StatusBadGateway, Err: pe}
	switch pe.Kind {
	case oauth.ProviderRefused:
		e.Code = "access_denied"
	case oauth.ProviderUnreachable:
		e.Code = "temporarily_unavailable"
	}
	return e
}
