package timeline

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// tally is how much came through of a session that is told as one attempt.
type tally struct{ requests, tools atomic.Int64 }

// Connected counts a request of session and reports whether that is all there is
// to do: one has come through before, and nothing failed since. It is on the path
// of every call.
func (rec *Recorder) Connected(session string) bool {
	calls, ok := rec.live.Load(session)
	if ok {
		calls.(*tally).requests.Add(1)
	}
	return ok
}

// CalledTool counts a tool call of session that has reached its tool.
func (rec *Recorder) CalledTool(session string) {
	if calls, ok := rec.live.Load(session); ok {
		calls.(*tally).tools.Add(1)
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if a := rec.byKey[key{kind: bySession, session: session}]; a != nil {
		a.calls.tools.Add(1)
	}
}

// settle notes whether the calls of a's sessions need a look from now on. The
// caller holds mu.
func (rec *Recorder) settle(a *attempt, s seen) {
	switch {
	case s.What == Called:
		a.calls.requests.Add(1)
		rec.live.Store(s.Session, a.calls)
	case s.What.Outcome() != status.OK || s.What == SessionEnded:
		for _, k := range a.keys {
			if k.kind == bySession {
				rec.live.Delete(k.session)
			}
		}
	}
}

// ownHeader is on the requests by which Drawbridge looks at itself from
// outside. Whoever else sends it is left out too, to nobody's harm.
const ownHeader = "Drawbridge-Check"

// Saw takes in what became of a request that no handler notes facts about:
// one that was refused before any handler.
func (rec *Recorder) Saw(r *http.Request, f Facts) {
	if r.Header.Get(ownHeader) == "" {
		rec.record(rec.seen(r, f))
	}
}

// Ended takes in that a session is over, and why.
func (rec *Recorder) Ended(session, reason string) {
	rec.mu.Lock()
	a := rec.byKey[key{kind: bySession, session: session}]
	if a == nil {
		rec.live.Delete(session)
		rec.mu.Unlock()
		return
	}
	s := seen{Facts: Facts{What: SessionEnded, Session: session, Reason: reason}, at: rec.now()}
	a.learn(s.Facts)
	a.add(step{at: s.at, what: s.What, args: s.args(), n: 1})
	rec.settle(a, s)
	wake := rec.changed(a, s.at)
	rec.mu.Unlock()
	wake()
}

// Watch looks at how a call ends that the guard let through and of which
// [Recorder.Connected] did not know enough. The caller serves the request
// returned to the writer returned, and then calls done. Handlers may [Note]
// more about it.
func (rec *Recorder) Watch(w http.ResponseWriter, r *http.Request, f Facts) (_ http.ResponseWriter, _ *http.Request, done func()) {
	look, asked, told := watch(w, r, f, callFacts)
	return look, asked, func() {
		if f := told(); f.What != "" && (f.What != Called || !rec.stranger(f.Session)) {
			rec.Saw(r, f)
		}
	}
}

// stranger reports whether session began before this run. A call of it that
// comes through is no attempt to connect; it needs no look from now on.
func (rec *Recorder) stranger(session string) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.byKey[key{kind: bySession, session: session}] != nil {
		return false
	}
	rec.live.Store(session, new(tally))
	return true
}

// versions are the revisions of MCP that are spoken here.
var versions = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"}

// callFacts reads from a request and the status of its answer what happened.
func callFacts(r *http.Request, code int) Facts {
	version := r.Header.Get("Mcp-Protocol-Version")
	switch {
	case code < 300 && r.Method == http.MethodPost:
		return Facts{What: Called}
	case code < 400:
		return Facts{} // a stream, or the end of a transport session
	case code == http.StatusUnauthorized:
		return Facts{What: CallEnded}
	case code == http.StatusNotAcceptable:
		return Facts{What: CallAccept}
	case code == http.StatusBadRequest && version != "" && !slices.Contains(versions, version):
		return Facts{What: CallVersion, Version: version}
	case code == http.StatusNotFound:
		return Facts{What: CallSession}
	case code < 500:
		return Facts{What: CallRefused, Method: r.Method, Reason: "status " + strconv.Itoa(code)}
	}
	return Facts{What: CallFailed, Reason: "status " + strconv.Itoa(code)}
}
