package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// mcpPath is where MCP is, under the public URL.
const mcpPath = "/mcp"

// route is one line of what the public listener answers.
type route struct {
	path    string
	methods []string
	handler http.Handler
}

var (
	get     = []string{http.MethodGet, http.MethodHead}
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

// routes returns the public listener's handler: these paths, by exact match,
// and nothing else.
func (t *site) routes(c *core, auth *authserver.Server) (handlers, error) {
	signIn := limit.New(signInRate, signInBurst)
	register := limit.New(registerRate, registerBurst)
	tokens := limit.Each(signInRate, signInBurst) // a flood at /authorize must not cost others their sessions
	limited := func(h http.HandlerFunc) http.Handler { return auth.Limited(signIn, h) }
	metadata := http.HandlerFunc(auth.Metadata)
	openID := http.HandlerFunc(auth.OpenIDMetadata)
	const prm = "/.well-known/oauth-protected-resource"

	table := []route{
		// RFC 9728: where a client that got 401 looks first. The first form is
		// for clients that leave the path out.
		{prm, get, t.resourceMetadata(c.base, mcpPath)},
		{prm + mcpPath, get, t.resourceMetadata(c.base, mcpPath)},
		{prm + mcpPath + "/", get, t.resourceMetadata(c.base, mcpPath+"/")},
		// RFC 8414 and OpenID Connect Discovery, in every place clients probe.
		{"/.well-known/oauth-authorization-server", get, metadata},
		{"/.well-known/oauth-authorization-server" + mcpPath, get, metadata},
		{"/.well-known/openid-configuration", get, openID},
		{"/.well-known/openid-configuration" + mcpPath, get, openID},
		{mcpPath + "/.well-known/openid-configuration", get, openID},
		{"/.well-known/jwks.json", get, http.HandlerFunc(auth.Keys)}, // RFC 7517: mounted servers
		{"/register", post, auth.Limited(register, auth.Register)},   // RFC 7591: clients
		{"/authorize", getPost, limited(auth.Authorize)},             // RFC 6749 §3.1: browsers
		{"/consent", get, limited(auth.Consent)},
		{"/consent", post, limited(auth.Answer)},
		{"/auth/callback", get, limited(auth.Callback)},      // browsers, sent by the provider
		{"/token", post, auth.Limited(tokens, auth.Token)},   // RFC 6749 §3.2: clients
		{"/revoke", post, auth.Limited(tokens, auth.Revoke)}, // RFC 7009: clients
		{mcpPath, mcp, t.guard(c, mcpPath)},
		{mcpPath + "/", mcp, t.guard(c, mcpPath+"/")},
		{"/", get, index(c.base)},
		{"/health", get, http.HandlerFunc(t.health)},
	}
	serve := t.app.timeline.Wrap(c.mounts.serve(auth, dispatch(table)))
	local, err := resource.NewBoundary(resource.BoundaryOptions{Public: c.base, Local: t.local, Timeline: t.app.timeline})
	if err != nil {
		return handlers{}, err
	}
	// Who comes from the internet has no business with this machine's names.
	public, err := resource.NewBoundary(resource.BoundaryOptions{Public: c.base, Timeline: t.app.timeline})
	if err != nil {
		return handlers{}, err
	}
	return handlers{local: local.Wrap(serve), tunnel: public.Wrap(serve)}, nil
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

// resourceMetadata serves RFC 9728's document for an MCP path.
func (t *site) resourceMetadata(base, path string) http.Handler {
	return resource.Metadata(base+path, base, t.config().IDP.Scopes)
}

// guard serves /mcp to whoever has a token for it. Both spellings of the path
// are one resource; each points at its own metadata, since clients compare the
// URL that a person typed.
func (t *site) guard(c *core, path string) http.Handler {
	g := t.newGuard(c, path)
	c.guards = append(c.guards, g)
	return g.Wrap(c.mounts.noting(c.mounts.all.Handler()))
}

func (t *site) newGuard(c *core, path string) *resource.Guard {
	return resource.New(resource.Options{Resource: c.base + path, MetadataURL: c.base + "/.well-known/oauth-protected-resource" + path,
		Scopes: t.config().IDP.Scopes, Auth: c.store, SessionOf: c.store.SessionOf, Timeline: t.app.timeline, Paused: t.app.paused.Load, Log: t.app.opts.Log, Now: t.app.opts.Now})
}

// index says what this is, to a person who opened the public URL.
func index(base string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		if err := assets.Index(&b, assets.IndexPage{MCPURL: base + mcpPath, ServerName: strings.TrimPrefix(strings.TrimPrefix(base, "https://"), "http://")}); err != nil {
			http.Error(w, "Drawbridge could not draw this page.", http.StatusInternalServerError)
			return
		}
		authserver.PageHeaders(w.Header(), "'none'")
		_, _ = w.Write(b.Bytes())
	}
}

// health answers 200 while tools can be called, else 503 and why.
func (t *site) health(w http.ResponseWriter, r *http.Request) {
	if st, reason := t.state(); st != status.Ready {
		w.Header().Set("Retry-After", "10")
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": string(st), "reason": reason})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// notReady answers while the keychain has not been opened.
func (t *site) notReady(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		w.Header().Set("Retry-After", "5")
		t.health(w, r)
		return
	}
	t.app.timeline.Saw(r, timeline.Facts{What: timeline.NotReady})
	notServing(w, r)
}

// notServing answers before there is a site.
func notServing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "5")
	writeError(w, http.StatusServiceUnavailable, "temporarily_unavailable", "Drawbridge is not ready yet. Its owner can see why in its status.")
}
