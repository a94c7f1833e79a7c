package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/endpoints"
	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// Where things are, under the public URL.
const (
	mcpPath    = endpoints.Path
	prmPath    = "/.well-known/oauth-protected-resource"
	serverPath = "/.well-known/oauth-authorization-server"
	openIDPath = "/.well-known/openid-configuration"
)

// route is one line of what the public listener answers.
type route struct {
	path    string
	methods []string
	handler http.Handler
}

var (
	get     = []string{http.MethodGet, http.MethodHead}
	getOnly = []string{http.MethodGet} // what is used up by one look
	post    = []string{http.MethodPost}
	getPost = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	mcp     = []string{http.MethodPost, http.MethodGet, http.MethodDelete}
)

// Sizes of bursts, and requests a second after them, by address. Nobody meets
// them in honest use: a whole sign-in takes five requests.
const (
	registerBurst, registerRate = 20, 3
	signInBurst, signInRate     = 300, 100
)

// handlers is what answers strangers, by the way a request came.
type handlers struct{ local, tunnel http.Handler }

// routes returns the public listener's handlers: these paths, by exact match,
// and nothing else. base is the public URL, local that of the listener.
func routes(base, local string, e *endpoints.Endpoints, auth *authserver.Server, attempts *timeline.Recorder, health http.Handler) (handlers, error) {
	signIn := limit.New(signInRate, signInBurst)
	register := limit.New(registerRate, registerBurst)
	tokens := limit.Each(signInRate, signInBurst) // a flood at /authorize must not cost others their sessions
	limited := func(h http.HandlerFunc) http.Handler { return auth.Limited(signIn, h) }
	metadata := http.HandlerFunc(auth.Metadata)
	openID := http.HandlerFunc(auth.OpenIDMetadata)

	table := []route{
		// RFC 9728: where a client that got 401 looks first. The first form is
		// for clients that leave the path out.
		{prmPath, get, e.Metadata(mcpPath)},
		{prmPath + mcpPath, get, e.Metadata(mcpPath)},
		{prmPath + mcpPath + "/", get, e.Metadata(mcpPath + "/")},
		// RFC 8414 and OpenID Connect Discovery, in every place clients probe.
		{serverPath, get, metadata},
		{serverPath + mcpPath, get, metadata},
		{openIDPath, get, openID},
		{openIDPath + mcpPath, get, openID},
		{mcpPath + openIDPath, get, openID},
		{"/.well-known/jwks.json", get, http.HandlerFunc(auth.Keys)}, // RFC 7517: mounted servers
		{"/register", post, auth.Limited(register, auth.Register)},   // RFC 7591: clients
		{"/authorize", getPost, limited(auth.Authorize)},             // RFC 6749 §3.1: browsers
		{"/consent", get, limited(auth.Consent)},
		{"/consent", post, limited(auth.Answer)},
		{"/auth/callback", get, limited(auth.Callback)},        // browsers, sent by the provider
		{serverauth.Path, getOnly, limited(auth.ServerSignIn)}, // people, with a link of theirs
		{"/token", post, auth.Limited(tokens, auth.Token)},     // RFC 6749 §3.2: clients
		{"/revoke", post, auth.Limited(tokens, auth.Revoke)},   // RFC 7009: clients
		{mcpPath, mcp, e.All(mcpPath)},
		{mcpPath + "/", mcp, e.All(mcpPath + "/")},
		{"/", get, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { index(base)(w, r, http.StatusOK) })},
		{"/health", get, health},
	}
	serve := attempts.Wrap(atServers(limited(auth.ServerAnswer), singleServers(e, metadata, openID, dispatch(table))))
	here, err := resource.NewBoundary(resource.BoundaryOptions{Public: base, Local: local, Timeline: attempts})
	if err != nil {
		return handlers{}, err
	}
	// Who comes from the internet has no business with this machine's names.
	public, err := resource.NewBoundary(resource.BoundaryOptions{Public: base, Timeline: attempts})
	if err != nil {
		return handlers{}, err
	}
	return handlers{local: here.Wrap(serve), tunnel: public.Wrap(serve)}, nil
}

// atServers answers where mounted servers send people's browsers back to, and
// leaves others to next.
func atServers(answer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, serverauth.Path+"/") && r.URL.RawPath == "" {
			dispatch([]route{{r.URL.Path, getOnly, answer}}).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// singleServers answers at the paths of single servers, and leaves others to
// next.
func singleServers(e *endpoints.Endpoints, metadata, openID, next http.Handler) http.Handler {
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { notFound(w, "There is nothing here.") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, what := r.URL.Path, ""
		for _, known := range []string{prmPath, serverPath, openIDPath} {
			if rest, ok := strings.CutPrefix(path, known); ok {
				path, what = rest, known
			}
		}
		if rest, ok := strings.CutSuffix(path, openIDPath); ok && what == "" {
			path, what = rest, openIDPath
		}
		name, ok := endpoints.ServerAt(path)
		if !ok || r.URL.RawPath != "" {
			next.ServeHTTP(w, r)
			return
		}
		server := e.Single(name, nothing)
		if server == nil {
			nothing(w, r)
			return
		}
		answer := map[string]route{
			prmPath:    {r.URL.Path, get, e.Metadata(path)},
			serverPath: {r.URL.Path, get, metadata},
			openIDPath: {r.URL.Path, get, openID},
			"":         {r.URL.Path, mcp, server.Handler(path)},
		}[what]
		dispatch([]route{answer}).ServeHTTP(w, r)
	})
}

// dispatch matches paths byte for byte. http.ServeMux would clean them first,
// and answer for places that are not in the table.
func dispatch(table []route) http.Handler {
	paths := map[string][]route{}
	for _, r := range table {
		paths[r.path] = append(paths[r.path], r)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routes := paths[r.URL.Path]
		if r.URL.RawPath != "" || len(routes) == 0 {
			notFound(w, "There is nothing here.")
			return
		}
		var allowed []string
		for _, route := range routes {
			if slices.Contains(route.methods, r.Method) {
				route.handler.ServeHTTP(w, r)
				return
			}
			allowed = append(allowed, route.methods...)
		}
		if r.URL.Path == "/" {
			notFound(w, "MCP is not served here, but at "+mcpPath+": use the URL with that path.")
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeError(w, http.StatusMethodNotAllowed, "invalid_request", "This path answers "+strings.Join(allowed, ", ")+" only.")
	})
}

func notFound(w http.ResponseWriter, hint string) {
	writeError(w, http.StatusNotFound, "not_found", hint)
}

func writeError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// index says what this is, to a person who opened the public URL or an MCP URL.
func index(base string) func(w http.ResponseWriter, r *http.Request, status int) {
	return func(w http.ResponseWriter, r *http.Request, status int) {
		var b bytes.Buffer
		if err := assets.Index(&b, assets.IndexPage{Lang: r.Header.Get("Accept-Language"), MCPURL: base + mcpPath, ServerName: strings.TrimPrefix(strings.TrimPrefix(base, "https://"), "http://")}); err != nil {
			http.Error(w, "Drawbridge could not draw this page.", http.StatusInternalServerError)
			return
		}
		authserver.PageHeaders(w.Header(), "'none'")
		w.WriteHeader(status)
		_, _ = w.Write(b.Bytes())
	}
}

// notServing answers before there is a configuration.
func notServing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "5")
	writeError(w, http.StatusServiceUnavailable, "temporarily_unavailable", "Drawbridge is not ready yet. Its owner can see why in its status.")
}
