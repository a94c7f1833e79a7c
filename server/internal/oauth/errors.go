package oauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Error is a refusal in the words of OAuth (RFC 6749 §4.1.2.1 and §5.2, RFC
// 7591 §3.2.2, RFC 8707 §2). Code and Description go to the client; the cause
// goes to the log and nowhere else.
type Error struct {
	Code        string
	Description string
	Status      int           // HTTP status where the answer is no redirect
	RetryAfter  time.Duration // 0 if trying again won't help
	Err         error         // the cause
	Reason      string        // for the owner's history; "": Description says it
	User        string        // whose grant it is about, as events name them; "" where that is not known
	Session     string        // that grant's ID
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Description, e.Err)
	}
	return e.Code + ": " + e.Description
}

func (e *Error) Unwrap() error { return e.Err }

// Because returns e with the cause err.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// Telling returns e with a reason of its own for the owner's history.
func (e *Error) Telling(reason string) *Error {
	e.Reason = reason
	return e
}

// ForOwner is what the owner's history says of e.
func (e *Error) ForOwner() string { return cmp.Or(e.Reason, e.Description) }

// about returns err, if it is an [Error], as one about the grant r.
func (r *Grant) about(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.User, e.Session = who(r.Identity), r.ID
	}
	return err
}

func refusal(status int, code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...), Status: status}
}

// InvalidRequest: a parameter is missing, doubled or malformed.
func InvalidRequest(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "invalid_request", format, args...)
}

// InvalidClient: the client is unknown or did not prove who it is. Clients
// answer it by registering again.
func InvalidClient(format string, args ...any) *Error {
	return refusal(http.StatusUnauthorized, "invalid_client", format, args...)
}

// UnauthorizedClient: the client may not use this grant type.
func UnauthorizedClient(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "unauthorized_client", format, args...)
}

// InvalidGrant: the code or refresh token is no good. Clients answer it by
// asking the person to sign in again.
func InvalidGrant(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "invalid_grant", format, args...)
}

// InvalidScope: the scope is malformed, or more than the grant has.
func InvalidScope(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "invalid_scope", format, args...)
}

// InvalidTarget: the resource is not one of this server's (RFC 8707 §2).
func InvalidTarget(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "invalid_target", format, args...)
}

// InvalidRedirectURI: the redirect URI is unsafe, or not allowed here (RFC 7591 §3.2.2).
func InvalidRedirectURI(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "invalid_redirect_uri", format, args...)
}

// InvalidClientMetadata: a registration that can't be served (RFC 7591 §3.2.2).
func InvalidClientMetadata(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "invalid_client_metadata", format, args...)
}

// AccessDenied: the person, or a rule about persons, said no.
func AccessDenied(format string, args ...any) *Error {
	return refusal(http.StatusForbidden, "access_denied", format, args...)
}

// Unavailable: not now; the grant, if there is one, lives on.
func Unavailable(after time.Duration, format string, args ...any) *Error {
	e := refusal(http.StatusServiceUnavailable, "temporarily_unavailable", format, args...)
	e.RetryAfter = after
	return e
}

// ServerError: a fault of ours. The description says no more than that.
func ServerError(err error) *Error {
	return refusal(http.StatusInternalServerError, "server_error", "Drawbridge could not do this because of a fault on its own side.").Because(err)
}
