package timeline

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Wrap returns next, looked at: each request becomes a step of an attempt, by
// what its handler notes, else by its path and the answer's status. Requests at
// MCP paths pass through: their guard tells what became of them.
func (rec *Recorder) Wrap(next http.Handler) http.Handler {
	if rec == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isMCP(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, n := withNotes(r.Context())
		look := &writer{ResponseWriter: w}
		next.ServeHTTP(look, r.WithContext(ctx))
		f := n.told()
		if f.What == "" {
			f = f.with(pathFacts(r, look.code()))
		}
		if f.What != "" {
			rec.Saw(r, f)
		}
	})
}

// isMCP reports whether a guard stands at path.
func isMCP(path string) bool {
	return path == "/mcp" || path == "/mcp/" || strings.HasPrefix(path, "/s/")
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
	"/sse": AtSSE, "/sse/": AtSSE, "/mcp/sse": AtSSE, "/messages": AtSSE, "/messages/": AtSSE, "/message": AtSSE, "/mcp/messages": AtSSE, "/mcp/message": AtSSE,
	"/mcp/mcp": Nearby, "/api/mcp": Nearby, "/v1/mcp": Nearby, "/mcp/v1": Nearby, "/MCP": Nearby, "/Mcp": Nearby, "/mcp.json": Nearby, "//mcp": Nearby, "/mcp//": Nearby, "/mcp/http": Nearby, "/http": Nearby, "/stream": Nearby,
	"/mcp/authorize": Guessed, "/oauth/authorize": Guessed, "/oauth2/authorize": Guessed, "/oauth2/v1/authorize": Guessed, "/login/oauth/authorize": Guessed, "/auth/authorize": Guessed,
	"/mcp/register": Guessed, "/oauth/register": Guessed, "/oauth2/register": Guessed, "/mcp/token": Guessed, "/oauth/token": Guessed, "/oauth2/token": Guessed, "/oauth2/v1/token": Guessed,
	"/authorize/": Guessed, "/register/": Guessed, "/token/": Guessed,
}

// metadataPaths are the beginnings of where metadata is looked for.
var metadataPaths = []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server",
	"/.well-known/openid-configuration", "/mcp/.well-known/"}

// pathFacts reads from path and status what happened where no handler told.
func pathFacts(r *http.Request, code int) Facts {
	path := r.URL.Path
	if code == http.StatusTooManyRequests {
		return Facts{What: Limited}
	}
	for _, start := range metadataPaths {
		if strings.HasPrefix(path, start) {
			return metadataFacts(start, path, code)
		}
	}
	if code != http.StatusNotFound {
		return Facts{} // the page for people, the health check, wrong methods
	}
	if what, ok := nearMisses[path]; ok {
		return Facts{What: what, Path: path}
	}
	if path == "/" {
		return Facts{What: AtRoot, Path: path}
	}
	return Facts{What: Probed}
}

func metadataFacts(start, path string, code int) Facts {
	switch {
	case code == http.StatusNotFound && path == start:
		return Facts{What: Missing, Path: path}
	case code == http.StatusNotFound:
		return Facts{What: Missing, Path: strings.TrimSuffix(start, "/") + "/…"}
	case code != http.StatusOK:
		return Facts{}
	case start == metadataPaths[0]:
		return Facts{What: Resource, Path: path}
	}
	return Facts{What: Metadata, Path: path}
}

// writer notices the status of an answer.
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

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Flush sends what is written, if what is below can.
func (w *writer) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap serves http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// code is the status of the answer; net/http sends 200 where nothing is said.
func (w *writer) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
