package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// doctorTime is how long all checks together may take.
const doctorTime = 3 * time.Minute

// accessTime is how long servers may take to start and to say what they offer.
const accessTime = time.Minute

// routes is the API, which needs the key but for the proof, and the console.
func (s *Server) routes() http.Handler {
	top, mux := http.NewServeMux(), http.NewServeMux()
	top.Handle("/", s.console)
	top.Handle("/api/", mux) // apart, so that a wrong method is refused there
	top.HandleFunc("GET "+metricsPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.backend.Metrics(w)
	})
	top.HandleFunc("GET "+proofPath, s.prove)
	top.HandleFunc("GET "+SignInPath+"{id}", s.backend.SignInAnswer) // by its state alone

	for path, get := range map[string]func() any{
		"status":   func() any { return tidyStatus(s.backend.Status()) },
		"sessions": func() any { return tidySessions(s.backend.Snapshot().Sessions) },
		"clients":  func() any { return tidyClients(s.backend.Clients()) },
		"blocked":  func() any { return orEmpty(s.backend.Snapshot().Blocked) },
		"attempts": func() any { return orEmpty(s.backend.Attempts()) },
	} {
		mux.HandleFunc("GET /api/"+path, func(w http.ResponseWriter, r *http.Request) { reply(w, get()) })
	}
	mux.HandleFunc("GET /api/events", s.events)
	mux.HandleFunc("GET /api/events/follow", s.follow)
	mux.HandleFunc("GET /api/logs", s.logs)
	mux.HandleFunc("GET /api/access", s.access)

	nothing := struct{}{}
	for path, do := range map[string]func(ctx context.Context, in request) (any, error){
		"revoke":  func(ctx context.Context, in request) (any, error) { return nothing, s.backend.Revoke(ctx, in.ID) },
		"unblock": func(ctx context.Context, in request) (any, error) { return nothing, s.backend.Unblock(ctx, in.ID) },
		"clients/add": func(ctx context.Context, in request) (any, error) {
			c, secret, err := s.backend.AddClient(ctx, in.NewClient)
			return clientSecret{Client: tidyClients([]status.Client{c})[0], Secret: secret}, err
		},
		"clients/rotate": func(ctx context.Context, in request) (any, error) {
			secret, until, err := s.backend.RotateClient(ctx, in.ID)
			return clientSecret{Secret: secret, OldUntil: until}, err
		},
		"clients/delete": func(ctx context.Context, in request) (any, error) { return nothing, s.backend.DeleteClient(ctx, in.ID) },
		"end-leave": func(ctx context.Context, in request) (any, error) {
			return nothing, s.backend.EndLeave(ctx, in.ID, in.Server, in.Tool)
		},
		"revoke-all": func(ctx context.Context, _ request) (any, error) {
			n, err := s.backend.RevokeAll(ctx)
			return map[string]int{"revoked": n}, err
		},
		"pause":  func(ctx context.Context, _ request) (any, error) { return nothing, s.backend.Pause(ctx) },
		"resume": func(ctx context.Context, _ request) (any, error) { return nothing, s.backend.Resume(ctx) },
		"quit": func(context.Context, request) (any, error) {
			s.backend.Quit()
			return nothing, nil
		},
		"tunnel/retry": func(context.Context, request) (any, error) {
			s.backend.Retry()
			return nothing, nil
		},
		"tunnel/accept": func(ctx context.Context, _ request) (any, error) {
			next, err := s.backend.AcceptURL(ctx)
			return map[string]string{"next": next}, err
		},
		"server/sign-in": func(ctx context.Context, in request) (any, error) {
			url, err := s.backend.SignInServer(ctx, in.Server)
			return map[string]string{"url": url}, err
		},
		"server/finish-sign-in": func(ctx context.Context, in request) (any, error) {
			return nothing, s.backend.FinishSignIn(ctx, in.Server, in.Answer)
		},
		"server/sign-out": func(ctx context.Context, in request) (any, error) {
			return nothing, s.backend.SignOutServer(ctx, in.Server)
		},
		"backup": func(context.Context, request) (any, error) {
			path, err := s.backend.CopyState()
			return map[string]string{"path": path}, err
		},
		"console": func(context.Context, request) (any, error) { return map[string]string{"url": s.ConsoleLink()}, nil },
	} {
		mux.HandleFunc("POST /api/"+path, func(w http.ResponseWriter, r *http.Request) {
			in, ok := requestOf(r, path)
			if !ok {
				fail(w, http.StatusBadRequest, `The body must be {"id":"…"}; of end-leave, {"id":"…","server":"…","tool":"…"}; of clients/add, {"name":"…"}; of server/…, {"server":"…"}.`)
				return
			}
			ctx, cancel := longer(w, r, answerTime)
			defer cancel()
			v, err := do(ctx, in)
			s.answer(w, r, v, err)
		})
	}
	mux.HandleFunc("POST /api/doctor", s.doctor)
	return top
}

// request is the body of what is about one session, client or server.
type request struct {
	ID     string `json:"id"`
	Server string `json:"server"`
	Tool   string `json:"tool"`
	Answer string `json:"answer"`
	status.NewClient
}

// clientSecret answers what makes a secret of a client.
type clientSecret struct {
	Client   status.Client `json:"client,omitzero"`
	Secret   string        `json:"secret"`
	OldUntil time.Time     `json:"old_until,omitzero"`
}

func requestOf(r *http.Request, path string) (in request, ok bool) {
	needs := map[string]func() bool{
		"revoke": func() bool { return in.ID != "" }, "end-leave": func() bool { return in.ID != "" && in.Tool != "" },
		"clients/add": func() bool { return in.Name != "" },
	}
	for _, path := range []string{"server/sign-in", "server/finish-sign-in", "server/sign-out"} {
		needs[path] = func() bool { return in.Server != "" }
	}
	for _, path := range []string{"unblock", "clients/rotate", "clients/delete"} {
		needs[path] = needs["revoke"]
	}
	if needs[path] == nil {
		return in, true
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	return in, err == nil && needs[path]()
}

func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	lines, ok := s.backend.Logs(r.URL.Query().Get("server"))
	if !ok {
		fail(w, http.StatusNotFound, "No server of this name is in mcp.json.")
		return
	}
	reply(w, orEmpty(lines))
}

// access says what a person may use. The servers are asked what they offer,
// which may start some.
func (s *Server) access(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := longer(w, r, accessTime)
	defer cancel()
	query := r.URL.Query()
	if query.Get("email") == "" && len(query["group"]) == 0 {
		fail(w, http.StatusBadRequest, "Say as whom: email, group, or both.")
		return
	}
	list, err := s.backend.Access(ctx, query.Get("email"), query["group"])
	s.answer(w, r, orEmpty(list), err)
}

func (s *Server) doctor(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := longer(w, r, doctorTime)
	defer cancel()
	reply(w, orEmpty(s.backend.Doctor(ctx)))
}

// longer gives an answer more time than others have.
func longer(w http.ResponseWriter, r *http.Request, most time.Duration) (context.Context, context.CancelFunc) {
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{}) // when it passed, it would end r's context
	c.SetWriteDeadline(time.Now().Add(most + answerTime))
	return context.WithTimeout(r.Context(), most)
}

// events sends what there is, one object a line, oldest first.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	writeLines(w, s.board.Events())
}

// follow sends what there is and then what comes, until the client leaves or
// the server stops. A client that reads too slowly is cut off.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	f := s.board.Follow()
	defer f.Close()

	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{}) // when it passed, it would end r's context
	w.Header().Set("Content-Type", "application/x-ndjson")
	for {
		if err := c.Flush(); err != nil {
			return
		}
		events, err := f.Next(ctx)
		if errors.Is(err, status.ErrLagged) {
			panic(http.ErrAbortHandler) // so that the client sees a break, not an end
		}
		if err != nil {
			return
		}
		c.SetWriteDeadline(time.Now().Add(answerTime))
		if err := writeLines(w, events); err != nil {
			return
		}
	}
}

// answer writes v, or err as a sentence.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	switch {
	case err == nil:
		reply(w, v)
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, "No live session has this ID.")
	default:
		s.log.Error("command failed", "path", r.URL.Path, "cause", err)
		fail(w, http.StatusInternalServerError, err.Error())
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// failure is the body of an answer that is not 200.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, code int, sentence string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(failure{sentence})
}

func writeLines(w io.Writer, events []status.Event) error {
	enc := json.NewEncoder(w)
	for _, ev := range events {
		if err := enc.Encode(ev); err != nil {
			return err
		}
	}
	return nil
}
