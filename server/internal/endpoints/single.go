package endpoints

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Single is one MCP path: a mounted server at its own, for which it has its own
// tokens and its own resource metadata (RFC 9728), or all of them together.
type Single struct {
	endpoint *gateway.Endpoint // nil: there is no such server
	guards   []*resource.Guard
	handlers map[string]http.Handler // by path: without and with a slash at the end
}

// Handler serves MCP at one of the two spellings of the path.
func (s *Single) Handler(path string) http.Handler { return s.handlers[path] }

// serve guards what handler serves at both spellings of path.
func (e *Endpoints) serve(path string, endpoint *gateway.Endpoint, handler http.Handler) *Single {
	s := &Single{endpoint: endpoint, handlers: map[string]http.Handler{}}
	for _, path := range []string{path, path + "/"} {
		g := e.guard(path)
		s.guards = append(s.guards, g)
		s.handlers[path] = g.Wrap(e.passing(handler))
	}
	return s
}

// passing refuses what other Drawbridges ask in a circle.
func (e *Endpoints) passing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := e.set.Pass(w, r)
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}
		body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": nil, "error": rpc.Errorf(rpc.CodeInvalidRequest, "%s.", err)})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusLoopDetected)
		_, _ = w.Write(body)
	})
}

func (s *Single) cut() {
	for _, g := range s.guards {
		g.Cut()
	}
}

func (s *Single) close() {
	s.cut()
	s.endpoint.Close()
}

// SinglePath is where a server is offered alone.
func SinglePath(server string) string { return "/s/" + server + Path }

// ServerAt undoes [SinglePath]; a slash at the end is the same place.
func ServerAt(path string) (server string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/s/")
	if !ok {
		return "", false
	}
	server, ok = strings.CutSuffix(strings.TrimSuffix(rest, "/"), Path)
	return server, ok && server != "" && !strings.Contains(server, "/")
}

// Single returns what serves a server at its path; nil if no server can have
// that name. Whoever may use nothing of it is handed to hidden. A server that
// does not exist looks like one whose name is all that the caller knows: the
// same challenge without a token, and with one of another path.
func (e *Endpoints) Single(server string, hidden http.Handler) *Single {
	if config.GoodName(server) != server {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if s, ok := e.servers[server]; !ok || s.Off {
		return e.serve(SinglePath(server), nil, hidden) // not kept: anybody can ask for any name
	}
	if s := e.single[server]; s != nil {
		return s
	}
	endpoint, err := e.endpoint(SinglePath(server), e.hub.One(server), nil)
	if err != nil {
		return nil
	}
	permitted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := oauth.CallerOf(r.Context()); who == nil || !e.hub.MayUse(who, server) {
			hidden.ServeHTTP(w, r)
			return
		}
		endpoint.Handler().ServeHTTP(w, r)
	})
	s := e.serve(SinglePath(server), endpoint, permitted)
	e.single[server] = s
	return s
}
