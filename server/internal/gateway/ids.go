package gateway

import (
	"errors"
	"net/http"

	"github.com/mark3labs/mcp-go/server"
)

// resolver gives mcp-go the manager of session ids for a request. The request
// is known by its body, which is the exchange that serves it.
type resolver struct{}

func (resolver) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r != nil {
		if x, ok := r.Body.(*exchange); ok {
			return (*sessionIDs)(x)
		}
	}
	return noSessionIDs{}
}

// sessionIDs is an exchange as the manager of its own request's session id.
// mcp-go asks only where the request's revision has sessions, so this is also
// where we learn that an id is needed.
type sessionIDs exchange

// Generate opens a session for the caller of initialize.
func (s *sessionIDs) Generate() string {
	id, ended := s.gateway.sessions.create(s.caller.Session)
	s.created = id
	s.gateway.forget(ended)
	return id
}

var errSession = errors.New("no such session")

// Validate refuses an id that is not a session of the caller's grant. mcp-go
// answers every error alike; the exchange answers with the refusal instead.
func (s *sessionIDs) Validate(id string) (terminated bool, err error) {
	if s.refusal = s.gateway.sessions.check(id, s.caller.Session); s.refusal != nil {
		return false, errSession
	}
	return false, nil
}

// Terminate is not used: [Gateway.bySession] ends sessions.
func (s *sessionIDs) Terminate(string) (notAllowed bool, err error) { return true, nil }

// noSessionIDs serves [Gateway.forget]: the session has ended already.
type noSessionIDs struct{}

func (noSessionIDs) Generate() string               { return "" }
func (noSessionIDs) Validate(string) (bool, error)  { return false, errSession }
func (noSessionIDs) Terminate(string) (bool, error) { return false, nil }
