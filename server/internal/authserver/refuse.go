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

// place is where requests are refused. With the cause of a refusal it decides
// what the owner's history, the timeline and a person's page say of it.
type place struct {
	event  string        // its type; "" where the history would say nothing new
	what   timeline.What // unless a cause says more; "" is nobody's step
	causes []cause       // the first that fits counts
	coded  bool          // the history names the code: it is what the client acts on
	title  string        // of the page that a browser gets; "": programs come here, and read JSON
	do     string        // on that page
	named  bool          // what it says may begin with a server's name
}

// cause is a cause of refusals and what it is to the timeline and on the page.
type cause struct {
	of   func(*oauth.Error) bool
	what timeline.What
	do   string // "" is the place's
}

func is(target error) func(*oauth.Error) bool {
	return func(e *oauth.Error) bool { return errors.Is(e, target) }
}

func coded(code string) func(*oauth.Error) bool {
	return func(e *oauth.Error) bool { return e.Code == code }
}

func provider(kind oauth.ProviderErrorKind) func(*oauth.Error) bool {
	return func(e *oauth.Error) bool { return oauth.IsProviderError(e, kind) }
}

const (
	startAgain = "Start again from your client."
	mayAllow   = "If you trust this client, the owner of this Drawbridge can allow its address in [clients] redirect_uris of config.toml. If you don't know it, close this page."
)

var (
	// malformed is what no sign-in can be found in.
	malformed = place{title: "This sign-in can't go on", do: startAgain}

	registering = place{event: status.ClientRefused, what: timeline.RegisterRefused, causes: []cause{
		{of: is(oauth.ErrNotAllowed), what: timeline.RegisterRedirect},
		{of: is(oauth.ErrNoRedirects), what: timeline.RegisterNone},
		{of: coded("access_denied"), what: timeline.RegisterOff},
	}}

	// identifying: client or redirect URI of an authorization request are in doubt.
	identifying = place{event: status.ClientRefused, what: timeline.AuthorizeRefused, title: "This sign-in can't start",
		do: "Close this page and connect again from your client. If it stays like this, remove the connection there and add it anew.", causes: []cause{
			{of: is(oauth.ErrNotAllowed), what: timeline.AuthorizeRedirect, do: mayAllow},
			{of: is(errDocument), what: timeline.AuthorizeDocument},
			{of: is(oauth.ErrClientUnknown), what: timeline.AuthorizeUnknown},
			{of: coded("invalid_redirect_uri"), what: timeline.AuthorizeOther, do: mayAllow},
		}}

	// authorizing: the rest of an authorization request was refused.
	authorizing = place{event: status.SigninRefused, what: timeline.AuthorizeRefused, causes: []cause{
		{of: is(oauth.ErrNoPKCE), what: timeline.AuthorizePKCE},
		{of: coded("invalid_target"), what: timeline.AuthorizeResource},
	}}

	viewing = place{what: timeline.ConsentRefused, title: "This sign-in can't go on", do: startAgain, causes: flowCauses}

	answering = place{what: timeline.ConsentRefused, title: "This answer does not count", do: startAgain, causes: flowCauses}

	flowCauses = []cause{{of: is(oauth.ErrNoFlow)}, {of: is(oauth.ErrNotOfFlow), what: timeline.ConsentOther}}

	denied = place{event: status.ConsentDenied, what: timeline.ConsentDenied}

	// returning: the provider's answer belongs to no flow of this browser.
	returning = place{what: timeline.ProviderLate, title: "This sign-in can't go on", do: startAgain, causes: []cause{
		{of: is(oauth.ErrNotOfFlow), what: timeline.ProviderOther}}}

	// atProvider: the provider refused, or could not be used.
	atProvider = place{event: status.SigninRefused, what: timeline.ProviderWrong, title: "Signing in did not work",
		do: "The owner of this Drawbridge can see more in its recent events. Then start again from your client.", causes: []cause{
			{of: func(e *oauth.Error) bool { return strings.Contains(e.Description, "clock") }, what: timeline.ProviderClock},
			{of: provider(oauth.ProviderRefused), what: timeline.ProviderRefused},
			{of: provider(oauth.ProviderUnreachable), what: timeline.ProviderAway, do: "Wait a minute, then start again from your client."},
		}}

	completing = place{event: status.SigninRefused, what: timeline.ProviderFailed, causes: append(personCauses,
		cause{of: coded("access_denied"), what: timeline.NotOnList})}

	personCauses = []cause{
		{of: is(oauth.ErrNobody), what: timeline.NobodyListed},
		{of: is(oauth.ErrNotVerified), what: timeline.NotVerified},
		{of: is(oauth.ErrNotVouched), what: timeline.NotVouched},
		{of: is(oauth.ErrNoGroups), what: timeline.NoGroups},
		{of: is(oauth.ErrGroupsElsewhere), what: timeline.GroupsElsewhere},
		{of: is(oauth.ErrOverage), what: timeline.TooManyGroups},
		{of: is(oauth.ErrNotListed), what: timeline.NotOnList},
	}

	redeeming = place{event: status.TokenRefused, what: timeline.TokenRefused, coded: true, causes: append(personCauses, []cause{
		{of: is(oauth.ErrPerson), what: timeline.RefreshPerson},
		{of: is(oauth.ErrSecret), what: timeline.TokenSecret},
		{of: is(oauth.ErrBlocked), what: timeline.VouchBlocked},
		{of: is(oauth.ErrAssertionForm), what: timeline.VouchForm},
		{of: is(oauth.ErrAssertionKey), what: timeline.VouchForm},
		{of: is(oauth.ErrAssertionClock), what: timeline.VouchClock},
		{of: is(oauth.ErrAssertionTwice), what: timeline.VouchTwice},
		{of: is(oauth.ErrAssertionClient), what: timeline.VouchClient},
		{of: is(oauth.ErrAssertionResource), what: timeline.TokenResource},
		{of: func(e *oauth.Error) bool { a := audience(e); return a != nil && a.Issuer != "" }, what: timeline.VouchIssuer},
		{of: func(e *oauth.Error) bool { return audience(e) != nil }, what: timeline.VouchAudience},
		{of: coded("unauthorized_client"), what: timeline.TokenGrant},
		{of: coded("unsupported_grant_type"), what: timeline.TokenGrant},
		{of: is(oauth.ErrCodeVerifier), what: timeline.TokenVerifier},
		{of: is(oauth.ErrCodeRedirect), what: timeline.TokenRedirect},
		{of: is(oauth.ErrCodeClient), what: timeline.TokenClient},
		{of: is(oauth.ErrCodeUsed), what: timeline.TokenTwice},
		{of: is(oauth.ErrCodeLate), what: timeline.TokenLate},
		{of: is(oauth.ErrCodeUnknown), what: timeline.TokenUnknown},
		{of: is(oauth.ErrReplay), what: timeline.TokenReplayed},
		{of: is(oauth.ErrTokenExpired), what: timeline.RefreshExpired},
		{of: is(oauth.ErrEnded), what: timeline.RefreshEnded},
		{of: is(errDocument), what: timeline.TokenDocument},
		{of: is(oauth.ErrClientUnknown), what: timeline.ClientUnknown},
		{of: coded("invalid_client"), what: timeline.ClientProof},
		{of: coded("invalid_target"), what: timeline.TokenResource},
		{of: provider(oauth.ProviderUnreachable), what: timeline.RefreshAway},
		{of: provider(oauth.ProviderMisconfigured), what: timeline.RefreshAway},
		{of: coded("server_error"), what: timeline.TokenFailed},
	}...)}

	revoking = place{}
	limiting = place{}
)

// whom is who is refused, as far as it is known, and where the answer goes.
type whom struct {
	client             string // its name
	redirectURI, state string // proven; "" answers the one who asks
}

func ofFlow(f *oauth.Flow) whom {
	return whom{client: f.Client.Name, redirectURI: f.RedirectURI, state: f.ClientState}
}

// refuse is the one way out for a request that is refused. It tells the log, the
// owner's history and the timeline, all three of the same cause, and then the
// one who asked: by a redirect to a proven redirect URI (RFC 6749 §4.1.2.1), as
// a page for a person's browser, else in JSON (§5.2, RFC 7591 §3.2.2).
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, at *place, err error, to whom) {
	refusal := oauth.ServerError(err) // of what is not ours the client hears no more
	errors.As(err, &refusal)
	e := *refusal
	if at.title != "" && e.Status == http.StatusUnauthorized {
		e.Status = http.StatusBadRequest // 401 is for the token endpoint
	}
	what, do := at.what, at.do
	for _, c := range at.causes {
		if c.of(&e) {
			what = c.what
			if c.do != "" {
				do = c.do
			}
			break
		}
	}
	s.log(r, &e, to.client)
	event := s.tell(r, at, &e, what, to.client)
	said := e.Description
	if !at.named {
		said = status.Capital(said)
	}
	switch {
	case to.redirectURI != "":
		s.answerClient(w, to.redirectURI, to.state, url.Values{"error": {e.Code}, "error_description": {printable(e.Description)}})
	case at.title != "" && strings.Contains(r.Header.Get("Accept"), "text/html"):
		retryAfter(w, &e)
		s.page(w, e.Status, "'none'", func(b *bytes.Buffer) error {
			return assets.Error(b, assets.ErrorPage{Lang: r.Header.Get("Accept-Language"), Title: at.title, What: status.FullStop(said), Do: do, EventID: event.ID, ServerName: hostOf(s.Issuer)})
		})
	default:
		failJSON(w, r, &e)
	}
}

// log writes the one line of a refusal.
func (s *Server) log(r *http.Request, e *oauth.Error, client string) {
	level := s.Log.Info
	if e.Status >= 500 {
		level = s.Log.Warn
	}
	level("refused", "path", r.URL.Path, "error", e.Code, "description", e.Description, "client", client, "session", e.Session, "remote", remote(r), "cause", e.Err)
}

// tell records the event of a refusal, and notes what it is in the timeline. They
// are told causes and sentences of ours, never what a request carried.
func (s *Server) tell(r *http.Request, at *place, e *oauth.Error, what timeline.What, client string) status.Event {
	reason := e.ForOwner()
	if what != "" {
		f := timeline.Facts{What: what, Reason: reason}
		if _, why, ok := strings.Cut(reason, " refused the sign-in: "); ok && what == timeline.ProviderRefused {
			f.Reason = why
		}
		if a := audience(e); a != nil {
			f.Resource = cmp.Or(a.Audience, a.Issuer)
		}
		if uri := unlisted(e); uri != "" {
			f.Host, f.Redirect = oauth.RedirectHost(uri), uri
		}
		timeline.Note(r.Context(), f)
	}
	if at.event == "" {
		return status.Event{}
	}
	if at.coded {
		reason = e.Code + ": " + reason
	}
	return s.Recorder.Record(status.Event{Type: at.event, Outcome: what.Outcome(), User: e.User, Client: client, Session: e.Session,
		Reason: reason, RedirectURI: unlisted(e), Remote: remote(r)})
}

// audience says for whom, or of whom, an assertion was that was refused for it.
func audience(err error) *oauth.AudienceError {
	var a *oauth.AudienceError
	errors.As(err, &a)
	return a
}

// unlisted is the redirect URI that was refused for want of a place on the list;
// "" if that is not what is wrong.
func unlisted(err error) string {
	var e *oauth.NotAllowedError
	if errors.As(err, &e) {
		return e.URI
	}
	return ""
}
