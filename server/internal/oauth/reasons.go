package oauth

import "errors"

// Why something was refused, for errors.Is: the client is told less, so that
// nobody learns from it, but the owner has to be told what to do.
var (
	ErrCodeUnknown  = errors.New("the authorization code is not known")
	ErrCodeUsed     = errors.New("the authorization code was presented twice, so it may have leaked")
	ErrCodeLate     = errors.New("the authorization code was presented too late")
	ErrCodeClient   = errors.New("the authorization code was presented by another client")
	ErrCodeRedirect = errors.New("the authorization code was presented with another redirect URI")
	ErrCodeVerifier = errors.New("the authorization code was presented without its code verifier")

	ErrClientUnknown = errors.New("the client is not known here")

	ErrSecret = errors.New("the client secret is wrong, or missing")

	ErrAssertionForm     = errors.New("the assertion is not an ID-JAG that can be used")
	ErrAssertionKey      = errors.New("the assertion's signature is not one of its issuer")
	ErrAssertionClock    = errors.New("the assertion is not of now")
	ErrAssertionClient   = errors.New("the assertion was made for another client")
	ErrAssertionResource = errors.New("the assertion was made for another resource")
	ErrAssertionTwice    = errors.New("the assertion was redeemed before")
	ErrBlocked           = errors.New("the owner has revoked a session of this person with this client")

	ErrNoPKCE      = errors.New("the request has no code challenge by S256")
	ErrNoRedirects = errors.New("the client names no redirect URI")
	ErrNotAllowed  = errors.New("the redirect URI is not on the list of this server")
	ErrNotOfFlow   = errors.New("the flow belongs to another browser")
	ErrNoFlow      = errors.New("the flow is over, or was never here")

	ErrNotListed   = errors.New("the person may not sign in here")
	ErrNobody      = errors.New("nobody may sign in yet: the access list in config.toml is empty")
	ErrNotVerified = errors.New("is on the access list, but the provider says that the address is not verified")
	ErrNotVouched  = errors.New("is on the access list, but the provider does not say whether the address is verified")

	ErrNoGroups        = errors.New("is not on the access list by address, and the provider named no groups")
	ErrGroupsElsewhere = errors.New("is not on the access list by address, and no groups stand where [idp] groups_claim says")
	ErrOverage         = errors.New("is not on the access list by address, and the provider left the groups out, as there are too many")

	ErrReplay       = errors.New("a refresh token was presented that had been rotated away long before")
	ErrTokenExpired = errors.New("the token has expired")
	ErrTokenKind    = errors.New("a refresh token is not an access token")
	ErrEnded        = errors.New("the session of this token has ended")
	ErrResource     = errors.New("the token was issued for another resource")
	ErrPerson       = errors.New("the person may not sign in here any more")
)

// NotAllowedError is [ErrNotAllowed] with the redirect URI that the owner would
// have to allow. Its text does not name it: a client chose it.
type NotAllowedError struct{ URI string }

func (*NotAllowedError) Error() string { return ErrNotAllowed.Error() }

// Is makes it the [ErrNotAllowed] of errors.Is.
func (*NotAllowedError) Is(target error) bool { return target == ErrNotAllowed }

// AudienceError says that an assertion was made for another authorization server,
// or is of an issuer that is not trusted. Its text does not name them: others
// chose them.
type AudienceError struct{ Audience, Issuer string }

func (e *AudienceError) Error() string {
	if e.Issuer != "" {
		return "the assertion is of an issuer that is not trusted here"
	}
	return "the assertion was made for another authorization server"
}

// BadAssertion is the refusal of an assertion.
func BadAssertion(why error) *Error {
	return InvalidGrant("The assertion can't be redeemed: %v.", why).Because(why)
}

// SessionOf returns the session that an authorization code or a token is of,
// over or not, and "" if it is none of ours. It is for telling what belongs
// together; it proves nothing.
func (s *Grants) SessionOf(text string) string {
	if t, err := s.tokenKey.open(text); err == nil {
		return t.grant.String()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.codes[codeKey(text)]; c != nil {
		return c.grant.id.String()
	}
	return ""
}
