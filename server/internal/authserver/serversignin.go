package authserver

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
)

// People sign in at mounted servers with their own accounts: a link leads here,
// which belongs to one person's session and to the browser that opens it first.
// The person proves at the provider that they are the one, and only then goes on
// to the server (MCP 2025-11-25, "URL Mode Elicitation", "Phishing").

// SignIns is those sign-ins; see [serverauth.SignIns].
type SignIns interface {
	Open(link, browser string) (up oauth.UpstreamRequest, ok bool)
	Proving(state, browser string) (link string, up oauth.UpstreamRequest, ok bool)
	Proven(ctx context.Context, link, browser string, who oauth.Identity) (location string, err error)
	Finish(ctx context.Context, id, browser string, answer url.Values) (server string, err error)
	Document(id string) []byte
}

// atServer is where a sign-in at a mounted server is refused.
var atServer = place{title: "Signing in did not work", do: "Go back to your program, have it call the tool again, and open the new link.", named: true, causes: []cause{
	{of: is(serverauth.ErrNotTheirs), do: "Close this page. Open only links that your own program shows you."},
}}

func refusedThere(status int, description string) *oauth.Error {
	return &oauth.Error{Code: "access_denied", Status: status, Description: description}
}

// ServerSignIn answers GET /sign-in?link=….
func (s *Server) ServerSignIn(w http.ResponseWriter, r *http.Request) {
	up, ok := s.SignIns.Open(r.URL.Query().Get("link"), s.nameBrowser(w, r))
	if !ok {
		s.refuse(w, r, &atServer, refusedThere(http.StatusForbidden, "This link is over, or was opened in another browser before."), whom{})
		return
	}
	location, err := s.Provider.AuthURL(r.Context(), up)
	if err != nil {
		s.refuse(w, r, &atServer, providerError(err), whom{})
		return
	}
	redirect(w, location)
}

// proves takes the provider's answer about the person with a link, and reports
// whether it was one. What the provider gave is given back.
func (s *Server) proves(w http.ResponseWriter, r *http.Request, answer url.Values) bool {
	if s.SignIns == nil {
		return false
	}
	browser := s.browser(r)
	link, up, ok := s.SignIns.Proving(answer.Get("state"), browser)
	if link == "" {
		return false
	}
	iss, code := answer.Get("iss"), answer.Get("error")
	switch {
	case !ok || browser == "":
		s.refuse(w, r, &atServer, refusedThere(http.StatusForbidden, "This sign-in was begun in another browser, so it does not count here."), whom{})
	case iss != "" && iss != s.ProviderIssuer && !strings.Contains(s.ProviderIssuer, "{"):
		s.refuse(w, r, &atServer, refusedThere(http.StatusForbidden, "The answer came from another sign-in provider than the one configured (RFC 9207)."), whom{})
	case code != "":
		s.refuse(w, r, &atServer, providerError(s.Provider.Explain(code, answer.Get("error_description"))), whom{})
	default:
		person, err := s.Provider.Exchange(r.Context(), answer.Get("code"), up)
		if err != nil {
			s.refuse(w, r, &atServer, providerError(err), whom{})
			break
		}
		go s.giveBack(person.RefreshToken)
		location, err := s.SignIns.Proven(r.Context(), link, browser, person.Identity)
		if err != nil {
			s.refuse(w, r, &atServer, refusedThere(http.StatusForbidden, err.Error()).Because(err), whom{})
			break
		}
		redirect(w, location)
	}
	return true
}

func (s *Server) giveBack(refreshToken string) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchWait)
	defer cancel()
	if err := s.Provider.Revoke(ctx, refreshToken); err != nil {
		s.Log.Info("provider's token not revoked", "cause", err)
	}
}

// ServerAnswer answers below /sign-in/: the server sends the browser back, or
// wants to know who we are (MCP, "Client ID Metadata Documents").
func (s *Server) ServerAnswer(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, serverauth.Path+"/")
	if id, ok := strings.CutSuffix(id, "/client"); ok {
		document := s.SignIns.Document(id)
		if document == nil {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "not_found", "error_description": "There is nothing here."})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache") // its addresses may be others the next time
		_, _ = w.Write(document)
		return
	}
	var server string
	query, err := parameters(w, r)
	if err == nil {
		browser := s.browser(r)
		if browser == "" {
			browser = "none" // which is no flow's
		}
		if server, err = s.SignIns.Finish(r.Context(), id, browser, query); err != nil {
			err = refusedThere(http.StatusForbidden, err.Error())
		}
	}
	if err != nil {
		s.refuse(w, r, &atServer, err, whom{})
		return
	}
	s.page(w, http.StatusOK, "'none'", func(b *bytes.Buffer) error {
		return assets.Error(b, assets.ErrorPage{Lang: r.Header.Get("Accept-Language"), Title: "You are signed in", Page: "You are signed in",
			What: server + " is used with your own account now. Close this page, go back to your program, and have it call the tool again.", ServerName: hostOf(s.Issuer)})
	})
}
