package server

import (
	"context"
	"errors"
	"net/http"
)

var errNoSignIns = errors.New("sign-ins at mounted servers are not built yet")

// SignInServer begins the owner's sign-in at a mounted server, and returns the
// address to open in a browser.
func (s *Server) SignInServer(ctx context.Context, name string) (string, error) {
	return "", errNoSignIns
}

// FinishSignIn ends it by the address that the browser came to.
func (s *Server) FinishSignIn(ctx context.Context, name, answer string) error { return errNoSignIns }

// SignOutServer forgets every sign-in at a mounted server, and revokes it there.
func (s *Server) SignOutServer(ctx context.Context, name string) error { return errNoSignIns }

// SignInAnswer takes the server's answer from the owner's browser.
func (s *Server) SignInAnswer(w http.ResponseWriter, r *http.Request) {
	http.Error(w, errNoSignIns.Error(), http.StatusNotImplemented)
}
