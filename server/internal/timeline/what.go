package timeline

import "github.com/drawbridge-app/drawbridge/server/status"

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

// nature is what a step is whatever its attempt.
type nature struct{ kind, outcome string }

// Outcome is what a step is whatever its attempt: [status.OK], Refused or Failed.
func (w What) Outcome() string { return natures[w].outcome }

var natures = map[What]nature{
	Challenged: {discovery, status.OK}, Resource: {discovery, status.OK}, Metadata: {discovery, status.OK},
	Missing: {discovery, status.Refused}, AtRoot: {discovery, status.Refused}, AtSSE: {discovery, status.Refused},
	Nearby: {discovery, status.Refused}, Guessed: {discovery, status.Refused}, WrongHost: {discovery, status.Refused},
	NotReady: {discovery, status.Refused}, WrongOrigin: {discovery, status.Refused}, Probed: {discovery, status.Refused}, Limited: {discovery, status.Refused},

	Registered: {registration, status.OK}, RegisterOff: {registration, status.Refused},
	RegisterRedirect: {registration, status.Refused}, RegisterNone: {registration, status.Refused}, RegisterRefused: {registration, status.Refused},

	Authorized: {authorize, status.OK}, AuthorizeUnknown: {authorize, status.Refused}, AuthorizeDocument: {authorize, status.Refused},
	AuthorizeRedirect: {authorize, status.Refused}, AuthorizeOther: {authorize, status.Refused}, AuthorizePKCE: {authorize, status.Refused},
	AuthorizeResource: {authorize, status.Refused}, AuthorizeRefused: {authorize, status.Refused},

	ConsentShown: {consent, status.OK}, ConsentApproved: {consent, status.OK}, ConsentKept: {consent, status.OK},
	ConsentDenied: {consent, status.Refused}, ConsentOther: {consent, status.Refused}, ConsentRefused: {consent, status.Refused},

	ProviderDone: {provider, status.OK}, ProviderRefused: {provider, status.Refused}, ProviderAway: {provider, status.Failed},
	ProviderWrong: {provider, status.Failed}, ProviderClock: {provider, status.Failed}, ProviderOther: {provider, status.Refused},
	ProviderLate: {provider, status.Refused}, NotOnList: {provider, status.Refused}, NotVerified: {provider, status.Refused},
	NotVouched: {provider, status.Refused}, NoGroups: {provider, status.Refused}, GroupsElsewhere: {provider, status.Refused}, TooManyGroups: {provider, status.Refused},

	NobodyListed: {provider, status.Refused}, ProviderFailed: {provider, status.Failed},

	Issued: {token, status.OK}, Refreshed: {token, status.OK}, TokenVerifier: {token, status.Refused}, TokenRedirect: {token, status.Refused},
	TokenClient: {token, status.Refused}, TokenTwice: {token, status.Refused}, TokenLate: {token, status.Refused},
	TokenUnknown: {token, status.Refused}, TokenResource: {token, status.Refused}, ClientUnknown: {token, status.Refused},
	ClientProof: {token, status.Refused}, TokenReplayed: {token, status.Refused}, RefreshExpired: {token, status.Refused},
	RefreshEnded: {token, status.Refused}, RefreshPerson: {token, status.Refused}, RefreshAway: {token, status.Failed},
	TokenDocument: {token, status.Refused}, TokenFailed: {token, status.Failed}, TokenRefused: {token, status.Refused}, SessionEnded: {token, status.OK},

	Called: {call, status.OK}, CallExpired: {call, status.Refused}, CallEnded: {call, status.Refused}, CallResource: {call, status.Refused},
	CallKind: {call, status.Refused}, CallForged: {call, status.Refused}, CallQuery: {call, status.Refused}, CallPaused: {call, status.Refused},
	CallLimited: {call, status.Refused}, CallAccept: {call, status.Refused}, CallVersion: {call, status.Refused},
	CallSession: {call, status.Refused}, CallRefused: {call, status.Refused}, CallFailed: {call, status.Failed}, CallError: {call, status.Failed},
}
