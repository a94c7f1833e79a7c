package timeline

import (
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// What is one thing that can be seen of an attempt. Its text is the key of its
// line in catalogue/, after "step.".
type What string

// The kinds of steps, in the order of a sign-in.
const (
	discovery    = "discovery"
	registration = "registration"
	authorize    = "authorize"
	consent      = "consent"
	provider     = "provider"
	token        = "token"
	call         = "call"
)

// What is seen before a client is known.
const (
	Challenged  What = "discovery.challenge" // 401 at the MCP path, with where to look
	Resource    What = "discovery.resource"  // RFC 9728 metadata
	Metadata    What = "discovery.server"    // RFC 8414 metadata, or OpenID's
	Missing     What = "discovery.missing"   // metadata where there is none
	AtRoot      What = "discovery.root"      // MCP at "/"
	AtSSE       What = "discovery.sse"       // the transport of 2024-11-05
	Nearby      What = "discovery.near"      // another path close to ours
	Guessed     What = "discovery.guess"     // an OAuth endpoint where other servers have it
	WrongHost   What = "discovery.host"
	WrongOrigin What = "discovery.origin"
	Probed      What = "discovery.probe" // anything else
	Limited     What = "discovery.limited"
	NotReady    What = "discovery.early" // the keychain is not open, or there is no address yet
)

// What is seen of a registration (RFC 7591) and an authorization request.
const (
	Registered       What = "registration.ok"
	RegisterOff      What = "registration.off"
	RegisterRedirect What = "registration.redirect" // a redirect URI that is not on the list
	RegisterNone     What = "registration.none"     // no redirect URI at all
	RegisterRefused  What = "registration.refused"

	Authorized        What = "authorize.ok"
	AuthorizeUnknown  What = "authorize.unknown"  // a client that is not known here
	AuthorizeDocument What = "authorize.document" // a metadata document that can't be had, or used
	AuthorizeRedirect What = "authorize.redirect" // a redirect URI that is not on the list
	AuthorizeOther    What = "authorize.other"    // a redirect URI that the client did not register
	AuthorizePKCE     What = "authorize.pkce"
	AuthorizeResource What = "authorize.resource"
	AuthorizeRefused  What = "authorize.refused"
)

// What is seen of the person and the provider.
const (
	ConsentShown    What = "consent.shown"
	ConsentApproved What = "consent.approved"
	ConsentKept     What = "consent.remembered"
	ConsentDenied   What = "consent.denied"
	ConsentOther    What = "consent.browser" // another browser than the one that began
	ConsentRefused  What = "consent.refused"

	ProviderDone    What = "provider.ok"
	ProviderRefused What = "provider.refused"
	ProviderAway    What = "provider.away"
	ProviderWrong   What = "provider.wrong" // misconfigured, at either end
	ProviderClock   What = "provider.clock"
	ProviderOther   What = "provider.browser" // came back in another browser
	ProviderLate    What = "provider.late"    // came back to a flow that is over
	NotOnList       What = "provider.access"  // signed in, but not on the access list
	NotVerified     What = "provider.unverified"
	NotVouched      What = "provider.unvouched" // it doesn't say whether the address is verified
	NoGroups        What = "provider.nogroups"  // it named none, and they would decide
	GroupsElsewhere What = "provider.claim"     // it named them in another claim
	TooManyGroups   What = "provider.overage"   // it left them out
	NobodyListed    What = "provider.nobody"
	ProviderFailed  What = "provider.failed" // a fault of ours
)

// What is seen at the token endpoint.
const (
	Issued         What = "token.issued"
	Refreshed      What = "token.refreshed"
	TokenVerifier  What = "token.verifier"
	TokenRedirect  What = "token.redirect"
	TokenClient    What = "token.client"
	TokenTwice     What = "token.twice"
	TokenLate      What = "token.late"
	TokenUnknown   What = "token.unknown" // a code that is not known
	TokenResource  What = "token.resource"
	ClientUnknown  What = "token.invalid_client"
	ClientProof    What = "token.proof" // private_key_jwt
	TokenReplayed  What = "token.replayed"
	RefreshExpired What = "token.expired"
	RefreshEnded   What = "token.ended"
	RefreshPerson  What = "token.person" // the provider, or the access list, says no by now
	RefreshAway    What = "token.away"
	TokenDocument  What = "token.document" // see AuthorizeDocument
	TokenFailed    What = "token.failed"   // a fault of ours
	TokenRefused   What = "token.refused"
	SessionEnded   What = "token.over" // by the owner, the client, or a rule
	TokenSecret    What = "token.secret"
	TokenGrant     What = "token.grant" // a grant type that the client may not use, or that is off

	Vouched       What = "token.vouched" // an assertion of the provider was redeemed
	VouchForm     What = "token.assertion"
	VouchAudience What = "token.audience" // the assertion was made for another server
	VouchIssuer   What = "token.issuer"   // the assertion is of an issuer that is not trusted
	VouchClock    What = "token.clock"
	VouchClient   What = "token.other"
	VouchTwice    What = "token.again"
	VouchBlocked  What = "token.blocked"
)

// What is seen of calls.
const (
	Called       What = "call.ok"
	CallExpired  What = "call.expired"
	CallEnded    What = "call.ended"
	CallResource What = "call.resource"
	CallKind     What = "call.kind" // a refresh token as access token
	CallForged   What = "call.forged"
	CallQuery    What = "call.query"
	CallPaused   What = "call.paused"
	CallLimited  What = "call.limited"
	CallAccept   What = "call.accept"
	CallVersion  What = "call.version"
	CallSession  What = "call.session" // an unknown Mcp-Session-Id
	CallRefused  What = "call.refused" // another 4xx
	CallFailed   What = "call.failed"  // 5xx
	CallError    What = "call.error"   // answered with 200, and an error inside
)

// Outcome is what a step is whatever its attempt: [status.OK], Refused or Failed.
func (w What) Outcome() string {
	switch w {
	case Challenged, Resource, Metadata, Registered, Authorized, ConsentShown, ConsentApproved,
		ConsentKept, ProviderDone, Issued, Vouched, Refreshed, SessionEnded, Called:
		return status.OK
	case ProviderAway, ProviderWrong, ProviderClock, ProviderFailed, RefreshAway, TokenFailed, CallFailed, CallError:
		return status.Failed
	}
	return status.Refused
}

// kind is the stage of a sign-in at which w is seen.
func (w What) kind() string {
	kind, _, _ := strings.Cut(string(w), ".")
	return kind
}
