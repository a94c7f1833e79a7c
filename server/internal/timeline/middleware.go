package timeline

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Wrap returns next, looked at: each request becomes a step of an attempt, by
// what its handler notes, else by its path and the answer's status. Requests at
// MCP paths pass through: their guard tells what became of them.
func (rec *Recorder) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path == "/mcp" || path == "/mcp/" || strings.HasPrefix(path, "/s/") {
			next.ServeHTTP(w, r)
			return
		}
		look, asked, told := watch(w, r, Facts{}, pathFacts)
		next.ServeHTTP(look, asked)
		if f := told(); f.What != "" {
			rec.Saw(r, f)
		}
	})
}

// watch returns with what to serve r, of which f is known. What told returns
// then is what the handlers noted; where none said what has happened, guess does,
// by the status of the answer.
func watch(w http.ResponseWriter, r *http.Request, f Facts, guess func(r *http.Request, code int) Facts) (_ http.ResponseWriter, _ *http.Request, told func() Facts) {
	n, look := &notes{facts: f}, &writer{ResponseWriter: w}
	return look, r.WithContext(context.WithValue(r.Context(), notesKey{}, n)), func() Facts {
		f := n.told()
		if f.What == "" {
			f = f.with(guess(r, cmp.Or(look.status, http.StatusOK)))
		}
		return f
	}
}

// seen makes a step of a request. Nothing of its URL is kept.
func (rec *Recorder) seen(r *http.Request, f Facts) seen {
	if f.Session != "" { // who has a token can't have made the path up
		f.Server = cmp.Or(f.Server, status.ServerOf(r.URL.Path))
	}
	return seen{Facts: f, at: rec.now(), remote: limit.Address(r.RemoteAddr), agent: cleanAgent(r.UserAgent()), browser: isBrowser(r)}
}

// nearMisses are the places where clients look that were given a wrong URL, or
// that expect another server's layout. No other path of a 404 is told: what
// strangers choose may hold anything.
var nearMisses = map[string]What{
	"/":    AtRoot,
	"/sse": AtSSE, "/sse/": AtSSE, "/mcp/sse": AtSSE, "/messages": AtSSE, "/messages/": AtSSE, "/message": AtSSE, "/mcp/messages": AtSSE, "/mcp/message": AtSSE,
	"/mcp/mcp": Nearby, "/api/mcp": Nearby, "/v1/mcp": Nearby, "/mcp/v1": Nearby, "/MCP": Nearby, "/Mcp": Nearby, "/mcp.json": Nearby, "//mcp": Nearby, "/mcp//": Nearby, "/mcp/http": Nearby, "/http": Nearby, "/stream": Nearby,
	"/mcp/authorize": Guessed, "/oauth/authorize": Guessed, "/oauth2/authorize": Guessed, "/oauth2/v1/authorize": Guessed, "/login/oauth/authorize": Guessed, "/auth/authorize": Guessed,
	"/mcp/register": Guessed, "/oauth/register": Guessed, "/oauth2/register": Guessed, "/mcp/token": Guessed, "/oauth/token": Guessed, "/oauth2/token": Guessed, "/oauth2/v1/token": Guessed,
	"/authorize/": Guessed, "/register/": Guessed, "/token/": Guessed,
}

// metadataPaths are the beginnings of where metadata is looked for, that of the
// resource first.
var metadataPaths = []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server",
	"/.well-known/openid-configuration", "/mcp/.well-known/"}

// pathFacts reads from path and status what happened where no handler told.
func pathFacts(r *http.Request, code int) Facts {
	path := r.URL.Path
	if code == http.StatusTooManyRequests {
		return Facts{What: Limited}
	}
	for i, start := range metadataPaths {
		if !strings.HasPrefix(path, start) {
			continue
		}
		switch {
		case code == http.StatusOK && i == 0:
			return Facts{What: Resource, Path: path}
		case code == http.StatusOK:
			return Facts{What: Metadata, Path: path}
		case code != http.StatusNotFound:
			return Facts{}
		case path != start:
			path = strings.TrimSuffix(start, "/") + "/…"
		}
		return Facts{What: Missing, Path: path}
	}
	what, ok := nearMisses[path]
	switch {
	case code != http.StatusNotFound:
		return Facts{} // the page for people, the health check, wrong methods
	case !ok:
		return Facts{What: Probed}
	}
	return Facts{What: what, Path: path}
}

// writer notices the status of an answer; net/http sends 200 where nothing is
// said.
type writer struct {
	http.ResponseWriter
	status int
}

func (w *writer) WriteHeader(code int) {
	if w.status == 0 && code >= 200 {
		w.status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap serves http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
