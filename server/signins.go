package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// SignInServer begins the owner's sign-in at a mounted server, and returns the
// address to open in a browser.
func (s *Server) SignInServer(ctx context.Context, name string) (string, error) {
	return ask(s, func(p *parts) (string, error) {
		if _, ok := p.endpoints.Server(name); !ok {
			return "", control.ErrNotFound
		}
		return p.endpoints.SignIn(ctx, name)
	})
}

// FinishSignIn ends it by the address that the browser came to.
func (s *Server) FinishSignIn(ctx context.Context, name, answer string) error {
	return s.do(func(p *parts) error {
		if _, ok := p.endpoints.Server(name); !ok {
			return control.ErrNotFound
		}
		u, err := url.Parse(strings.TrimSpace(answer))
		if err != nil {
			return errNoAddress
		}
		_, err = p.endpoints.SignedIn(ctx, strings.TrimPrefix(u.Path, control.SignInPath), u.Query())
		return err
	})
}

// SignOutServer ends every sign-in at a mounted server, here and there.
func (s *Server) SignOutServer(_ context.Context, name string) error {
	return s.do(func(p *parts) error {
		if _, ok := p.endpoints.Server(name); !ok {
			return control.ErrNotFound
		}
		return p.endpoints.SignOut(name)
	})
}

// SignInAnswer takes the server's answer from the owner's browser. The guard of
// the control listener lets any site lead here: the answer's state decides.
func (s *Server) SignInAnswer(w http.ResponseWriter, r *http.Request) {
	page := assets.ErrorPage{Lang: r.Header.Get("Accept-Language"), Title: signedIn, Page: signedIn, What: "Close this page. Drawbridge uses the server now.", Console: "/servers"}
	code, server := http.StatusOK, ""
	err := s.do(func(p *parts) (err error) {
		server, err = p.endpoints.SignedIn(r.Context(), r.PathValue("id"), r.URL.Query())
		if server != "" {
			page.Console += "?" + url.Values{"server": {server}}.Encode()
		}
		return err
	})
	if err != nil {
		code = http.StatusForbidden
		said := err.Error()
		if server == "" {
			said = status.Capital(said)
		}
		page.Page, page.Title, page.What, page.Do = "", "Signing in did not work", status.FullStop(said), "Begin again under Servers in the console."
	}
	var b bytes.Buffer
	if err := assets.Error(&b, page); err != nil {
		http.Error(w, "Drawbridge could not draw this page.", http.StatusInternalServerError)
		return
	}
	authserver.PageHeaders(w.Header(), "'none'")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes())
}

const signedIn = "You are signed in"

var errNoAddress = errors.New("that is not the address that the browser ended at: copy all of it, from http:// on")

// controlURL is where the control listener is.
func (s *Server) controlURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctl == nil {
		return ""
	}
	return s.ctl.URL()
}
