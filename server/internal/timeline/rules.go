package timeline

import (
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// rule says what an attempt means. Its sentence is the key of a line in
// catalogue/, after "verdict.". A comment beside one names a client's or provider's
// known fault: where it was seen, and what.
type rule struct {
	key     string
	outcome string // "" while the attempt may go on
	end     []What // one of these came last; none: whatever came
	after   time.Duration
	about   What             // was seen at any time; its words count
	when    func(*view) bool // nil: always
}

func (r rule) fits(v *view) bool {
	return (len(r.end) == 0 || slices.Contains(r.end, v.end.what)) && v.now.Sub(v.last) >= r.after && (r.about == "" || v.saw(r.about)) && (r.when == nil || r.when(v))
}

const (
	ok, refused, failed = status.OK, status.Refused, status.Failed

	// How long to wait for the next step before it is missed.
	lookTime   = 2 * time.Minute  // a client's next look; each takes it ten seconds at most
	openTime   = 5 * time.Minute  // a person to open the sign-in page
	codeTime   = time.Minute      // a client to redeem its code, which then is no good
	callTime   = time.Minute      // a client to use its token
	personTime = 10 * time.Minute // a person to answer, as long as their sign-in is kept
	stuckTime  = time.Minute      // a person at the provider who may be looking at an error page

	retries = 3 // failures in a row that a client will not mend by itself
	loop    = 4 // registrations in a row, of which an honest client needs one
)

// rules are asked in order; the first that fits decides.
var rules = []rule{
	// Connected.
	{key: "over", outcome: ok, end: []What{SessionEnded}, when: (*view).connected},
	{key: "over.early", outcome: refused, end: []What{SessionEnded}},
	{key: "connected.server", outcome: ok, end: []What{Called, Refreshed}, when: func(v *view) bool { return v.connected() && v.server != "" }},
	{key: "connected.first", outcome: ok, end: []What{Called}, when: func(v *view) bool { return v.attempt.calls.requests.Load() == 1 }},
	{key: "connected", outcome: ok, end: []What{Called, Refreshed}, when: (*view).connected},
	{key: "renewed", outcome: ok, end: []What{Refreshed}},
	// Calls.
	{key: "paused", outcome: refused, end: []What{CallPaused}},
	{key: "early", outcome: refused, end: []What{NotReady}},
	{key: "origin", outcome: refused, end: []What{WrongOrigin}},
	{key: "host", outcome: refused, end: []What{WrongHost}},
	{key: "limited", outcome: refused, end: []What{CallLimited, Limited}},
	{key: "call.stale", outcome: failed, end: []What{CallExpired}, after: lookTime}, // claude-ai-mcp#228, #702: a proxy goes on with the expired token and never refreshes
	{key: "call.expired", end: []What{CallExpired}},
	{key: "call.ended", outcome: refused, end: []What{CallEnded}}, // claude-ai-mcp#379: a client keeps the token of a session that is over
	{key: "call.kind", outcome: failed, end: []What{CallKind}},
	{key: "call.accept", outcome: failed, end: []What{CallAccept}},
	{key: "call.version", outcome: failed, end: []What{CallVersion}},
	{key: "call.session", outcome: failed, end: []What{CallSession}, after: callTime}, // claude-ai-mcp#99: the session id is not sent on
	{key: "call.session", outcome: failed, end: []What{CallSession}, when: func(v *view) bool { return v.times(CallSession) >= retries }},
	{key: "call.initialize", end: []What{CallSession}},
	{key: "call.stream", outcome: failed, end: []What{CallRefused}, when: (*view).asksForStream},
	{key: "call.refused", outcome: failed, end: []What{CallRefused}},
	// Tokens.
	{key: "call.never", outcome: failed, end: []What{Issued, Vouched}, after: callTime}, // claude-ai-mcp#878, #299: a connector finishes only when the path is exactly /mcp
	{key: "call.awaited", end: []What{Issued, Vouched}},
	{key: "resource", outcome: refused, end: []What{TokenResource, AuthorizeResource}},      // claude-ai-mcp#299, metamcp#102: the resource differs from the URL that the server names
	{key: "client.unknown", outcome: refused, end: []What{ClientUnknown, AuthorizeUnknown}}, // coding-tools-mcp#81: a client goes on with the id that a reset server has forgotten
	{key: "token.replayed", outcome: refused, end: []What{TokenReplayed}},                   // claude-code#65408, #66210: two refreshes race, or a refresh token days old is sent again
	// The provider.
	{key: "access.nobody", outcome: refused, end: []What{NobodyListed}},
	{key: "access.unverified", outcome: refused, end: []What{NotVerified}},
	{key: "access.unvouched", outcome: refused, end: []What{NotVouched}},
	{key: "access.nogroups", outcome: refused, end: []What{NoGroups}},
	{key: "access.claim", outcome: refused, end: []What{GroupsElsewhere}},
	{key: "access.overage", outcome: refused, end: []What{TooManyGroups}},
	{key: "access.list", outcome: refused, end: []What{NotOnList}},
	{key: "browser", outcome: refused, end: []What{ProviderOther, ConsentOther}},
	{key: "code.never", outcome: failed, end: []What{ProviderDone}, after: codeTime}, // claude-ai-mcp#480: the answer reached the client, the code was never exchanged
	{key: "code.awaited", end: []What{ProviderDone}},
	// Consent.
	{key: "provider.never", outcome: failed, end: []What{ConsentApproved, ConsentKept}, after: personTime}, // Okta, Entra: an unknown redirect URI is shown at the provider and never comes back
	{key: "provider.stuck", end: []What{ConsentApproved, ConsentKept}, after: stuckTime},
	{key: "provider.awaited", end: []What{ConsentApproved, ConsentKept}},
	{key: "consent.never", outcome: failed, end: []What{ConsentShown}, after: personTime},
	{key: "consent.awaited", end: []What{ConsentShown}},
	// The authorization request.
	{key: "document", outcome: refused, end: []What{AuthorizeDocument, TokenDocument}},
	{key: "redirect.list", outcome: refused, end: []What{AuthorizeRedirect, RegisterRedirect}},
	{key: "redirect.other", outcome: refused, end: []What{AuthorizeOther}}, // claude-code#66511, #69326: a callback that is not the registered one
	{key: "pkce", outcome: refused, end: []What{AuthorizePKCE}},
	{key: "ngrok.warning", outcome: failed, end: []What{Authorized}, after: lookTime, when: (*view).warned}, // ngrok: ERR_NGROK_6024 stands before the consent page
	{key: "consent.lost", outcome: failed, end: []What{Authorized}, after: lookTime},
	{key: "consent.opening", end: []What{Authorized}},
	// Registration.
	{key: "registration.over", outcome: refused, end: []What{RegisterNone}, when: func(v *view) bool { return v.ended || v.after || v.program() == "gemini" }}, // Gemini CLI registers without a redirect URI when its token was refused
	{key: "registration.refused", outcome: refused, end: []What{RegisterRefused, RegisterNone}},
	{key: "registration.loop", outcome: failed, end: []What{Registered}, when: func(v *view) bool { return v.times(Registered) >= loop }}, // claude-ai-mcp#423: a client registers again and again
	{key: "ngrok.warning", outcome: failed, end: []What{Registered}, after: openTime, when: (*view).warned},
	{key: "browser.never", outcome: failed, end: []What{Registered}, after: openTime},
	{key: "browser.awaited", end: []What{Registered}},
	// What means the same whenever it comes last.
	{when: (*view).speaks},
	// Looking around.
	{key: "probes", outcome: refused, end: []What{Probed}},
	{key: "session.over", outcome: refused, when: func(v *view) bool { return v.after }},
	{key: "again", outcome: ok, when: func(v *view) bool { return v.again }},
	{key: "path.root", outcome: failed, about: AtRoot},
	{key: "path.sse", outcome: failed, about: AtSSE},
	{key: "path.near", outcome: failed, about: Nearby},                            // claude-ai-mcp#878: the path is not exactly /mcp
	{key: "path.oauth", outcome: failed, about: Guessed},                          // claude-ai-mcp#716: a client that finds no metadata guesses the OAuth endpoints
	{key: "discovery.stopped", outcome: failed, after: lookTime, about: Metadata}, // claude-ai-mcp#514: a client keeps what it once learned of a URL
	{key: "discovery.half", outcome: failed, after: lookTime, about: Resource},
	{key: "challenge.only", outcome: failed, after: lookTime, about: Challenged}, // android-remote-control-mcp#102: a client that can't sign in sees a 401 and stops
	{key: "discovery.missing", outcome: failed, after: lookTime},
	{key: "discovery.awaited"},
}

// speaks reports whether what came last has a sentence under its own key.
func (v *view) speaks() bool {
	return v.end.what.kind() != discovery && catalogues["en"]["verdict."+string(v.end.what)] != ""
}

// asksForStream reports whether a client opened a stream before all else, as
// the transport of 2024-11-05 does.
func (v *view) asksForStream() bool { return v.end.args["method"] == "GET" && !v.connected() }

func (v *view) warned() bool { return v.situation.Warning }
