package oauth

import (
	"container/list"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// flowTTL is how long a person may take from the client's link to the
// provider's answer. It lives in memory: a restart asks them to start again.
const flowTTL = 10 * time.Minute

// Flow is one authorization request on its way: from the client to the consent
// page, to the provider, back to us. Fields are not changed once it is handed
// out, but for those that Grants guards.
type Flow struct {
	ID          string
	Client      *Client
	RedirectURI string // proven
	ClientState string
	Challenge   string // S256, of the client's verifier
	Scopes      []string
	dropped     []string // of the scopes asked for
	Resource    string
	Asks        bool // the client wants the person asked (OpenID Connect Core §3.1.2.1, prompt)
	LoginHint   string
	Remote      string
	CSRF        string
	started     time.Time
	actor       netip.Prefix // of Remote
	bytes       int          // that it takes
	stage       stage
	place       *list.Element // in the order of its stage
	browser     string        // hash of the browser's cookie, from the first look at the consent page on
	upstream    UpstreamRequest
	remember    bool
}

// UpstreamRequest is what we send to the provider for one flow. It is made when
// the person has approved, not before. State, Nonce and Verifier are fresh random
// values.
type UpstreamRequest struct {
	State, Nonce, Verifier string
	Prompt, LoginHint      string // OpenID Connect Core 1.0 §3.1.2.1; "" leaves them out
}

// BeginRequest is an authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3,
// RFC 8707 §2). RedirectURI has been proven.
type BeginRequest struct {
	Client       *Client
	RedirectURI  string
	ResponseType string
	State        string
	Challenge    string
	Method       string
	Scope        string
	Resource     []string
	Prompt       string
	LoginHint    string
	Remote       string
}

// Begin checks a request and keeps it for the consent page. Its errors may be
// sent to the redirect URI.
func (s *Grants) Begin(r BeginRequest) (*Flow, error) {
	switch {
	case !r.Client.May(GrantCode):
		return nil, UnauthorizedClient("This client may not sign people in here. The owner can add one that may.")
	case r.ResponseType == "":
		return nil, InvalidRequest("response_type is missing")
	case r.ResponseType != "code":
		return nil, refusal(http.StatusBadRequest, "unsupported_response_type", "response_type must be code")
	case r.Challenge == "":
		return nil, InvalidRequest("code_challenge is missing: PKCE is required (RFC 7636)").Because(ErrNoPKCE)
	case r.Method != "S256":
		return nil, InvalidRequest("code_challenge_method must be S256").Because(ErrNoPKCE)
	case !hashText(r.Challenge):
		return nil, InvalidRequest("code_challenge is not the base64url of a SHA-256")
	case len(r.State) > 4096:
		return nil, InvalidRequest("state is longer than 4,096 characters")
	case len(r.LoginHint) > 1024:
		return nil, InvalidRequest("login_hint is longer than 1,024 characters")
	case r.Prompt == "none":
		return nil, refusal(http.StatusBadRequest, "interaction_required", "signing in here always asks the person")
	}
	resource, err := target(r.Resource, *s.resources.Load(), s.main())
	if err != nil {
		return nil, err
	}
	asked, err := parseScope(r.Scope)
	if err != nil {
		return nil, err
	}
	// Scopes we don't know are left out, as RFC 6749 §3.3 allows: some clients
	// ask for what another server advertised. None left means the usual ones.
	scopes := common(asked, s.opts.Scopes)
	if len(scopes) == 0 {
		scopes = WithoutOffline(s.opts.Scopes)
	}
	var dropped []string
	if extra := without(asked, scopes); len(extra) > 0 {
		dropped = strings.Fields(strings.Join(extra, " ")) // of their own memory
	}
	f := &Flow{ID: random(), dropped: dropped, Client: r.Client, RedirectURI: r.RedirectURI, ClientState: r.State, Challenge: r.Challenge,
		Scopes: scopes, Resource: resource, Asks: r.Prompt != "", LoginHint: r.LoginHint, Remote: r.Remote, CSRF: random(), started: s.opts.Now()}
	s.mu.Lock()
	s.flows.add(f)
	s.mu.Unlock()
	return f, nil
}

// errNoFlow is what a person sees who waited too long, or came twice.
func errNoFlow() *Error {
	return InvalidRequest("This sign-in is not known here any more. It may have waited longer than ten minutes, been finished already, or Drawbridge was restarted. Start again from your client.").Because(ErrNoFlow)
}

// errOtherBrowser stops who carries a flow from one browser to another: an
// attacker's approval must not become the victim's (RFC 6819 §4.4.1.7).
func errOtherBrowser() *Error {
	return refusal(http.StatusForbidden, "access_denied", "This sign-in was started in another browser, so it can't go on in this one. If somebody sent you this link, close the page. Otherwise start again from your client.").Because(ErrNotOfFlow)
}

// View returns a flow for its consent page. The first browser to look at it
// owns it; any other gets 403.
func (s *Grants) View(id, browser string) (*Flow, error) {
	s.mu.Lock()
	f, err := s.flow(id, browser)
	s.mu.Unlock()
	if err == nil {
		s.opts.Recorder.Record(f.event(status.ConsentShown, status.OK, ""))
	}
	return f, err
}

// flow finds a pending flow and binds it to browser. The caller holds mu.
func (s *Grants) flow(id, browser string) (*Flow, error) {
	f := s.flows.byID[id]
	if f == nil || browser == "" || s.opts.Now().Sub(f.started) > flowTTL {
		return nil, errNoFlow()
	}
	if f.browser == "" {
		f.browser = browser
	}
	if !equal(f.browser, browser) {
		return nil, errOtherBrowser()
	}
	s.flows.reach(f, seen)
	return f, nil
}

// answer finds the flow that a consent form is about, and checks that it comes
// from the page that we showed to this browser. The caller holds mu.
func (s *Grants) answer(id, browser, csrf string) (*Flow, error) {
	f := s.flows.byID[id]
	if f == nil || s.opts.Now().Sub(f.started) > flowTTL {
		return nil, errNoFlow()
	}
	if f.browser == "" || !equal(f.browser, browser) || !equal(f.CSRF, csrf) {
		return nil, errOtherBrowser()
	}
	return f, nil
}

// Approve is the person's yes. It returns what to send to the provider, made
// anew each time, so that going back and approving again works.
func (s *Grants) Approve(id, browser, csrf string, remember bool) (*Flow, UpstreamRequest, error) {
	s.mu.Lock()
	f, err := s.answer(id, browser, csrf)
	if err != nil {
		s.mu.Unlock()
		return nil, UpstreamRequest{}, err
	}
	f.remember = remember && f.MayRemember()
	up := s.flows.sendUpstream(f)
	s.mu.Unlock()
	s.opts.Recorder.Record(f.event(status.ConsentApproved, status.OK, ""))
	return f, up, nil
}

// Deny is the person's no. The flow is over; that is for the caller to tell.
func (s *Grants) Deny(id, browser, csrf string) (*Flow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.answer(id, browser, csrf)
	if err == nil {
		s.flows.remove(f)
	}
	return f, err
}

// Callback gives back, once, the flow that the provider answers, with what was
// sent to it. Another browser than the one that approved gets 403, and the
// flow stays for the right one.
func (s *Grants) Callback(state, browser string) (*Flow, UpstreamRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flows.byState[state]
	if state == "" || f == nil || s.opts.Now().Sub(f.started) > flowTTL {
		return nil, UpstreamRequest{}, errNoFlow()
	}
	if !equal(f.browser, browser) {
		return nil, UpstreamRequest{}, errOtherBrowser()
	}
	s.flows.remove(f)
	return f, f.upstream, nil
}

func (f *Flow) event(typ, outcome, reason string) status.Event {
	return status.Event{Type: typ, Outcome: outcome, Client: f.Client.Name, Reason: reason, Remote: f.Remote}
}

// random returns 256 bits as base64url.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program first
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// hashText reports whether s is the base64url of a SHA-256.
func hashText(s string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(sum) == 32 && len(s) == 43 // the decoder skips line ends
}
