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
	top.HandleFunc("GET "+proofPath, s.prove)

	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, r *http.Request) {
		reply(w, tidyStatus(s.backend.Snapshot().Status))
	})
	mux.HandleFunc("GET /api/sessions", func(w http.ResponseWriter, r *http.Request) {
		reply(w, tidySessions(s.backend.Snapshot().Sessions))
	})
	mux.HandleFunc("GET /api/clients", func(w http.ResponseWriter, r *http.Request) {
		reply(w, tidyClients(s.backend.Clients()))
	})
	mux.HandleFunc("GET /api/attempts", func(w http.ResponseWriter, r *http.Request) {
		reply(w, orEmpty(s.backend.Attempts()))
	})
	mux.HandleFunc("GET /api/events", s.events)
	mux.HandleFunc("GET /api/events/follow", s.follow)

	mux.HandleFunc("GET /api/logs", s.logs)
	mux.HandleFunc("GET /api/access", s.access)

	mux.HandleFunc("POST /api/revoke", s.revoke)
	mux.HandleFunc("POST /api/end-leave", s.endLeave)
	mux.HandleFunc("POST /api/revoke-all", func(w http.ResponseWriter, r *http.Request) {
		n, err := s.backend.RevokeAll(r.Context())
		s.answer(w, r, map[string]int{"revoked": n}, err)
	})
	mux.HandleFunc("POST /api/pause", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, struct{}{}, s.backend.Pause(r.Context()))
	})
	mux.HandleFunc("POST /api/resume", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, struct{}{}, s.backend.Resume(r.Context()))
	})
	mux.HandleFunc("POST /api/quit", func(w http.ResponseWriter, r *http.Request) {
		s.backend.Quit()
		s.answer(w, r, struct{}{}, nil)
	})
	mux.HandleFunc("POST /api/tunnel/retry", func(w http.ResponseWriter, r *http.Request) {
		s.backend.Retry()
		s.answer(w, r, struct{}{}, nil)
	})
	mux.HandleFunc("POST /api/tunnel/accept", func(w http.ResponseWriter, r *http.Request) {
		next, err := s.backend.AcceptURL(r.Context())
		s.answer(w, r, map[string]string{"next": next}, err)
	})
	mux.HandleFunc("POST /api/doctor", s.doctor)
	mux.HandleFunc("POST /api/console", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]string{"url": s.ConsoleLink()})
	})
	return top
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.ID == "" {
		fail(w, http.StatusBadRequest, `The body must be {"id":"…"}.`)
		return
	}
	s.answer(w, r, struct{}{}, s.backend.Revoke(r.Context(), body.ID))
}

func (s *Server) endLeave(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID     string `json:"id"`
		Server string `json:"server"`
		Tool   string `json:"tool"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.ID == "" || body.Tool == "" {
		fail(w, http.StatusBadRequest, `The body must be {"id":"…","server":"…","tool":"…"}.`)
		return
	}
	s.answer(w, r, struct{}{}, s.backend.EndLeave(r.Context(), body.ID, body.Server, body.Tool))
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
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{}) // when it passed, it would end r's context
	c.SetWriteDeadline(time.Now().Add(accessTime + answerTime))
	ctx, cancel := context.WithTimeout(r.Context(), accessTime)
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
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{}) // when it passed, it would end r's context
	c.SetWriteDeadline(time.Now().Add(doctorTime + answerTime))
	ctx, cancel := context.WithTimeout(r.Context(), doctorTime)
	defer cancel()
	reply(w, orEmpty(s.backend.Doctor(ctx)))
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
