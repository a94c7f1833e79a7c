package status

import "time"

// The outcomes of an event.
const (
	OK      = "ok"
	Refused = "refused"
	Failed  = "error"
)

// The types of events.
const (
	ClientRegistered = "client.registered"
	ClientRefused    = "client.refused"
	ConsentShown     = "consent.shown"
	ConsentApproved  = "consent.approved"
	ConsentDenied    = "consent.denied"
	SigninSucceeded  = "signin.succeeded"
	SigninRefused    = "signin.refused"
	TokenIssued      = "token.issued"
	TokenRefreshed   = "token.refreshed"
	TokenRefused     = "token.refused"
	TokenReused      = "token.reused"
	SessionRevoked   = "session.revoked"
	SessionExpired   = "session.expired"
	ToolCalled       = "tool.called"
	TunnelUp         = "tunnel.up"
	TunnelDown       = "tunnel.down"
	ProviderLost     = "idp.unreachable"
	ProviderBack     = "idp.recovered"
	ServerFailed     = "server.failed"
	ServerChanged    = "server.changed" // what a server offers is new, or no longer what the owner approved
)

// Event is one line of history. It never holds a token, a code, a secret, a
// state or a query string: what outsiders choose (names, reasons) is stripped
// of control characters and cut by [Board.Prepare].
type Event struct {
	ID      string    `json:"id,omitempty"` // short reference that an error page shows
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`
	Outcome string    `json:"outcome"`
	User    string    `json:"user"`   // e-mail address, else subject
	Client  string    `json:"client"` // the client's name
	Session string    `json:"session"`
	Tool    string    `json:"tool,omitempty"`
	Reason  string    `json:"reason"`
	Remote  string    `json:"remote"`

	// Count is how often it happened, the last time at Time, if more than once.
	Count int `json:"count,omitempty"`

	// RedirectURI is one that client.refused refused because it is not on the
	// list, so that the owner can allow it; without a query.
	RedirectURI string `json:"redirect_uri,omitempty"`
}
