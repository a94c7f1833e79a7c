package authserver

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
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
		s.failPage(w, r, err, "This sign-in can't go on", "Start again from your client.", status.Event{})
		return
	}
	// A stranger can't guess the state, and with it could only fail the dry run:
	// nothing comes of one but what the owner reads in the console.
	if s.DryRun != nil && s.DryRun.Callback(r.Context(), query) {
		s.page(w, http.StatusOK, "'none'", func(b *bytes.Buffer) error { return assets.Trial(b, hostOf(s.Issuer)) })
		return
	}
	flow, up, err := s.Grants.Callback(query.Get("state"), s.browser(r))
	if err != nil {
		noteReturn(r, err)
		s.failPage(w, r, err, "This sign-in can't go on", "Start again from your client.", status.Event{})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{Flow: flow.ID})
	if iss := query.Get("iss"); iss != "" && iss != s.ProviderIssuer && !strings.Contains(s.ProviderIssuer, "{") {
		s.failProvider(w, r, flow, &oauth.ProviderError{Kind: oauth.ProviderMisconfigured,
			Message: "The answer came from another sign-in provider than the one configured (RFC 9207)."})
		return
	}
	if code := query.Get("error"); code != "" {
		s.providerRefused(w, r, flow, s.Provider.Explain(code, query.Get("error_description")))
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
		noteComplete(r, err)
		s.failClient(w, r, err, flow.RedirectURI, flow.ClientState, flow.Client.Name)
		return
	}
	timeline.Note(r.Context(), timeline.Facts{What: timeline.ProviderDone, Session: s.Grants.SessionOf(code)})
	s.answerClient(w, flow.RedirectURI, flow.ClientState, url.Values{"code": {code}})
}

// providerRefused passes the provider's refusal on to the client, in the
// nearest code that RFC 6749 §4.1.2.1 has.
func (s *Server) providerRefused(w http.ResponseWriter, r *http.Request, flow *oauth.Flow, pe *oauth.ProviderError) {
	outcome, code := status.Failed, "server_error"
	switch pe.Kind {
	case oauth.ProviderRefused:
		outcome, code = status.Refused, "access_denied"
	case oauth.ProviderUnreachable:
		code = "temporarily_unavailable"
	}
	s.Grants.Refused(flow, "", outcome, pe.Message)
	noteProvider(r, flow, pe)
	e := &oauth.Error{Code: code, Description: pe.Message, Err: pe.Err}
	s.failClient(w, r, e, flow.RedirectURI, flow.ClientState, flow.Client.Name)
}

// failProvider tells the person, on a page, that the provider could not be used:
// it is they, or the owner of this Drawbridge, who can do something about it.
func (s *Server) failProvider(w http.ResponseWriter, r *http.Request, flow *oauth.Flow, err error) {
	pe := &oauth.ProviderError{Message: "The sign-in provider could not be used.", Err: err}
	errors.As(err, &pe)
	e := &oauth.Error{Code: "server_error", Description: pe.Message, Status: http.StatusBadGateway, Err: err}
	outcome, do := status.Failed, "The owner of this Drawbridge can see more in its recent events. Then start again from your client."
	switch pe.Kind {
	case oauth.ProviderUnreachable:
		e.Code, do = "temporarily_unavailable", "Wait a minute, then start again from your client."
	case oauth.ProviderRefused:
		outcome = status.Refused
	}
	event := s.Grants.Refused(flow, "", outcome, pe.Message)
	noteProvider(r, flow, pe)
	s.failPage(w, r, e, "Signing in did not work", do, event)
}
