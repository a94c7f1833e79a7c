package endpoints

import (
	"cmp"
	"errors"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/approve"
	"github.com/drawbridge-app/drawbridge/server/internal/hub"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// called makes an event of each tool call.
func (e *Endpoints) called(who *oauth.Caller, server, tool string, took time.Duration, err error) {
	mounted := server
	if server != hub.Own {
		tool = server + "/" + tool
	}
	e.o.Grants.UsedTool(who.Session, tool)
	e.o.Timeline.CalledTool(who.Session)
	ev := status.Event{Type: status.ToolCalled, Outcome: status.OK, User: cmp.Or(who.User.Email, who.User.Sub), Client: who.Client.Name,
		Session: who.Session, Tool: tool, Reason: tool, Remote: who.Remote}
	switch why := refusal(err); {
	case why != "":
		ev.Outcome, ev.Reason = status.Refused, tool+": "+why
	case err != nil:
		ev.Outcome = status.Failed
	}
	e.o.Calls.Add(mounted, ev.Outcome, took)
	e.o.Journal.Record(ev)
}

// refusal says in the owner's words why a call never reached its server; "" if
// it did.
func refusal(err error) string {
	var r *approve.Refusal
	switch {
	case errors.Is(err, hub.ErrHeld), errors.Is(err, hub.ErrTooMany):
		return err.Error()
	case errors.As(err, &r):
		return r.Why
	}
	return ""
}
