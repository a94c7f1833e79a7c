package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// What follows tells the timeline why something was refused. It is told causes
// and sentences of ours, never what a request carried.

// cause is one cause of a refusal and what it is to the timeline.
type cause struct {
	err  error
	what timeline.What
}

// note tells the first of causes that err has, else otherwise with a reason.
func note(r *http.Request, err error, otherwise timeline.What, causes ...cause) {
	f := timeline.Facts{What: otherwise, Reason: asError(err).Description}
	if uri := unlisted(err); uri != "" {
		f.Host, f.Redirect = hostName(uri), uri
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			f.What = c.what
			break
		}
	}
	timeline.Note(r.Context(), f)
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

// noteClient: client or redirect URI of an authorization request are in doubt.
func noteClient(r *http.Request, e *oauth.Error) {
	otherwise := timeline.AuthorizeRefused
	switch {
	case strings.Contains(e.Description, "metadata document"):
		otherwise = timeline.AuthorizeDocument
	case e.Code == "invalid_client" && strings.Contains(e.Description, "not registered"):
		otherwise = timeline.AuthorizeUnknown
	case e.Code == "invalid_redirect_uri":
		otherwise = timeline.AuthorizeOther
	}
	note(r, e, otherwise, cause{oauth.ErrNotAllowed, timeline.AuthorizeRedirect})
}

// noteBegin: the rest of an authorization request was refused.
func noteBegin(r *http.Request, err error) {
	otherwise := timeline.AuthorizeRefused
	if asError(err).Code == "invalid_target" {
		otherwise = timeline.AuthorizeResource
	}
	note(r, err, otherwise, cause{oauth.ErrNoPKCE, timeline.AuthorizePKCE})
}

func noteRegister(r *http.Request, err error, req registrationRequest) {
	otherwise := timeline.RegisterRefused
	if asError(err).Code == "access_denied" {
		otherwise = timeline.RegisterOff
	}
	timeline.Note(r.Context(), timeline.Facts{Client: strings.TrimSpace(req.ClientName)})
	note(r, err, otherwise, cause{oauth.ErrNotAllowed, timeline.RegisterRedirect})
}

// noteFlow: the consent page, or the answer on it, was refused. A flow that
// nobody knows is nobody's step.
func noteFlow(r *http.Request, err error, flow string) {
	if errors.Is(err, oauth.ErrNoFlow) {
		return
	}
	timeline.Note(r.Context(), timeline.Facts{Flow: flow})
	note(r, err, timeline.ConsentRefused, cause{oauth.ErrNotOfFlow, timeline.ConsentOther})
}

// noteReturn: the provider's answer belongs to no flow of this browser.
func noteReturn(r *http.Request, err error) {
	note(r, err, timeline.ProviderLate, cause{oauth.ErrNotOfFlow, timeline.ProviderOther})
}

func noteComplete(r *http.Request, err error) {
	e := asError(err)
	otherwise := timeline.ProviderFailed
	if e.Code == "access_denied" {
		otherwise = timeline.NotOnList
	}
	note(r, err, otherwise, cause{oauth.ErrNobody, timeline.NobodyListed}, cause{oauth.ErrNotVerified, timeline.NotVerified})
}

// noteProvider: the provider refused, or could not be used.
func noteProvider(r *http.Request, flow *oauth.Flow, pe *oauth.ProviderError) {
	f := timeline.Facts{Flow: flow.ID, Reason: pe.Message}
	switch {
	case strings.Contains(pe.Message, "clock"):
		f.What = timeline.ProviderClock
	case pe.Kind == oauth.ProviderRefused:
		f.What = timeline.ProviderRefused
		if _, why, ok := strings.Cut(pe.Message, " refused the sign-in: "); ok {
			f.Reason = why
		}
	case pe.Kind == oauth.ProviderUnreachable:
		f.What = timeline.ProviderAway
	default:
		f.What = timeline.ProviderWrong
	}
	timeline.Note(r.Context(), f)
}

// noteToken: the token endpoint refused.
func noteToken(r *http.Request, e *oauth.Error) {
	if _, why, ok := strings.Cut(e.Error(), oauth.ErrPerson.Error()+": "); ok {
		timeline.Note(r.Context(), timeline.Facts{What: timeline.RefreshPerson, Reason: why})
		return
	}
	otherwise := timeline.TokenRefused
	var provider *oauth.ProviderError
	switch {
	case strings.Contains(e.Description, "metadata document"):
		otherwise = timeline.TokenDocument
	case e.Code == "invalid_client" && strings.Contains(e.Description, "not registered"):
		otherwise = timeline.ClientUnknown
	case e.Code == "invalid_client":
		otherwise = timeline.ClientProof
	case e.Code == "invalid_target":
		otherwise = timeline.TokenResource
	case e.Code == "temporarily_unavailable" && errors.As(e, &provider):
		otherwise = timeline.RefreshAway
	case e.Status >= 500:
		otherwise = timeline.TokenFailed
	}
	note(r, e, otherwise,
		cause{oauth.ErrCodeVerifier, timeline.TokenVerifier}, cause{oauth.ErrCodeRedirect, timeline.TokenRedirect},
		cause{oauth.ErrCodeClient, timeline.TokenClient}, cause{oauth.ErrCodeUsed, timeline.TokenTwice},
		cause{oauth.ErrCodeLate, timeline.TokenLate}, cause{oauth.ErrCodeUnknown, timeline.TokenUnknown},
		cause{oauth.ErrReplay, timeline.TokenReplayed}, cause{oauth.ErrTokenExpired, timeline.RefreshExpired},
		cause{oauth.ErrEnded, timeline.RefreshEnded})
}

// issued is what a token request that succeeded was.
func issued(grantType string) timeline.What {
	if grantType == "refresh_token" {
		return timeline.Refreshed
	}
	return timeline.Issued
}

// hostName is the host of an address, as far as a timeline tells of it.
func hostName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
