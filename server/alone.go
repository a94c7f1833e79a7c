package server

import (
	"net/http"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
)

// single is one mounted server at its own path, /s/NAME/mcp, for which it has
// its own tokens and its own resource metadata (RFC 9728).
type single struct {
	endpoint *gateway.Endpoint
	guards   []*resource.Guard
	handlers map[string]http.Handler // by path: without and with a slash at the end
}

func (o *single) cut() {
	for _, g := range o.guards {
		g.Cut()
	}
}

func (o *single) end() {
	for _, g := range o.guards {
		g.Close()
	}
	o.endpoint.Close()
}

// single returns the one at a server's path; nil if no such server is mounted.
func (m *mounts) single(server string) *single {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.servers[server]; !ok || s.Off {
		return nil
	}
	if one := m.alone[server]; one != nil {
		return one
	}
	endpoint, err := m.newEndpoint(alonePath(server), m.hub.One(server), nil)
	if err != nil {
		return nil
	}
	one := &single{endpoint: endpoint, handlers: map[string]http.Handler{}}
	for _, path := range []string{alonePath(server), alonePath(server) + "/"} {
		g := m.site.newGuard(m.core, path)
		one.guards = append(one.guards, g)
		one.handlers[path] = g.Wrap(m.noting(m.permitted(server, endpoint.Handler())))
	}
	m.alone[server] = one
	return one
}

// permitted hides a server from whoever may use nothing of it.
func (m *mounts) permitted(server string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := oauth.CallerOf(r.Context()); who == nil || !m.hub.MayUse(who, server) {
			notFound(w, "There is nothing here.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve answers at the paths of single servers, and leaves others to next.
func (m *mounts) serve(auth *authserver.Server, next http.Handler) http.Handler {
	const (
		prm    = "/.well-known/oauth-protected-resource"
		server = "/.well-known/oauth-authorization-server"
		openID = "/.well-known/openid-configuration"
	)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, what := r.URL.Path, ""
		for _, known := range []string{prm, server, openID} {
			if rest, ok := strings.CutPrefix(path, known); ok {
				path, what = rest, known
			}
		}
		if rest, ok := strings.CutSuffix(path, openID); ok && what == "" {
			path, what = rest, openID
		}
		name, ok := aloneName(path)
		if !ok || r.URL.RawPath != "" {
			next.ServeHTTP(w, r)
			return
		}
		one := m.single(name)
		if one == nil {
			notFound(w, "There is nothing here.")
			return
		}
		methods, handler := get, http.Handler(nil)
		switch what {
		case prm:
			handler = m.site.resourceMetadata(m.core.base, path)
		case server:
			handler = http.HandlerFunc(auth.Metadata)
		case openID:
			handler = http.HandlerFunc(auth.OpenIDMetadata)
		default:
			methods, handler = mcp, one.handlers[path]
		}
		dispatch([]route{{r.URL.Path, methods, handler}}).ServeHTTP(w, r)
	})
}
