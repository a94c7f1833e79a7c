package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Identity is a person as the OpenID provider described them.
type Identity struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Email         string   `json:"email,omitempty"`
	EmailVerified bool     `json:"email_verified,omitempty"`
	Name          string   `json:"name,omitempty"`
	Groups        []string `json:"groups,omitempty"`
	Domain        string   `json:"domain,omitempty"` // the organisation's domain that the provider vouches for: the verified address's, at Google only its "hd" claim
	Unsaid        Unsaid   `json:"-"`                // at a sign-in: for sentences, nothing is decided by it
}

// Unsaid is what the provider left out of what it said of a person.
type Unsaid struct {
	Verified bool     // whether the address is verified
	Groups   bool     // which groups there are, if any
	Overage  bool     // the groups, since they are too many
	GroupsIn []string // other claims that look as if they held groups
	Cure     string   // a sentence: what to do at the provider so that it names groups
}

// Upstream is what the provider gave for one sign-in or refresh.
type Upstream struct {
	Identity     Identity
	Scopes       []string // granted by the provider; nil if it did not say (RFC 6749 §5.1: as asked)
	RefreshToken string   // "" if the provider gave none
}

// granted is what the provider granted. One that gave a refresh token granted
// offline_access, although many leave it out of the list.
func (u Upstream) granted() []string {
	if u.RefreshToken == "" {
		return u.Scopes
	}
	return append(slices.Clone(u.Scopes), "offline_access")
}

// Provider is the OpenID provider as the rules of this package need it.
// Every error it returns is a [*ProviderError].
type Provider interface {
	// Refresh asks the provider again who the person of prev is, with the
	// refresh token it gave before. An answer for another subject is an error
	// of kind ProviderRefused. With any error it may return a refresh token
	// besides, which replaces the one given.
	Refresh(ctx context.Context, refreshToken string, prev Identity) (Upstream, error)
	// Revoke ends refreshToken at the provider (RFC 7009). A provider without
	// a revocation endpoint is no error.
	Revoke(ctx context.Context, refreshToken string) error
}

// ProviderErrorKind says what an error of the provider means for a grant.
type ProviderErrorKind int

const (
	// ProviderUnreachable: no answer, a 5xx, a 429. Nothing is known of the person.
	ProviderUnreachable ProviderErrorKind = iota
	// ProviderRefused: the provider answered and said no to this person or grant.
	ProviderRefused
	// ProviderMisconfigured: the provider said no to Drawbridge itself (wrong
	// client secret, unknown client, wrong issuer). The person did nothing wrong.
	ProviderMisconfigured
)

// ProviderError is a failure at the provider. Message is a sentence for the
// person that says what happened and what to do; it holds no secret and no
// text chosen by others beyond the provider's error code. Err is the cause,
// for the log only.
type ProviderError struct {
	Kind    ProviderErrorKind
	Code    string // the provider's OAuth error code, if it gave one
	Message string
	// Template is Message before names were filled in, such as {name}: the key
	// under which translations are kept. "" if there are none.
	Template string
	Words    map[string]string // what stands in Template
	Err      error
}

func (e *ProviderError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s (%v)", e.Message, e.Err)
	}
	return e.Message
}

func (e *ProviderError) Unwrap() error { return e.Err }

// IsProviderError reports whether err is a provider's error of kind.
func IsProviderError(err error, kind ProviderErrorKind) bool {
	var pe *ProviderError
	return errors.As(err, &pe) && pe.Kind == kind
}
