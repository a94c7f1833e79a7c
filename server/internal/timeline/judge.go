package timeline

import (
	"cmp"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// view is an attempt as the rules look at it.
type view struct {
	*attempt
	now       time.Time
	situation Situation
	end       step // the latest step after discovery; of discovery if there is no other
	calls     int64
}

func newView(a *attempt, now time.Time, w Situation) *view {
	v := &view{attempt: a, now: now, situation: w, calls: a.calls.tools.Load()}
	for _, s := range a.steps {
		if v.end.what == "" || counts(s.what) || !counts(v.end.what) {
			v.end = s
		}
	}
	return v
}

// counts reports whether a step says more of an attempt than that somebody
// looked around.
func counts(w What) bool { return natures[w].kind != discovery || joins(w) }

// quiet is for how long nothing has been seen.
func (v *view) quiet() time.Duration { return v.now.Sub(v.last) }

// times is how often w was seen.
func (v *view) times(w What) int {
	n := 0
	for _, s := range v.steps {
		if s.what == w {
			n += s.n
		}
	}
	return n
}

// judge returns the outcome, the key of the sentence and the words in it. The
// first rule that fits decides.
func judge(v *view) (outcome, name string, args map[string]string) {
	r := rule{key: "unknown"}
	for _, candidate := range rules {
		if candidate.fits(v) {
			r = candidate
			break
		}
	}
	args = v.words(r.about)
	if r.outcome == "" && v.situation.TunnelDown != "" && r.key != "unknown" {
		r.key, args["reason"] = "tunnel.down", status.Clean(v.situation.TunnelDown, 300)
	}
	return r.outcome, r.key, args
}

// words are what a sentence may name: those of the latest step that has them,
// before that of the step that decided. What is not known has a plain word.
func (v *view) words(about What) map[string]string {
	args := map[string]string{}
	for _, s := range v.steps {
		maps.Copy(args, s.args)
	}
	decided := v.end
	for _, s := range v.steps {
		if s.what == about {
			decided = s
		}
	}
	maps.Copy(args, decided.args)
	delete(args, "client")
	delete(args, "user")
	if v.client != "" {
		args["client"] = v.client
	}
	if v.user != "" {
		args["user"] = v.user
	}
	if v.agent != "" {
		args["agent"] = v.agent
	}
	args["mcp"] = cmp.Or(v.situation.MCPURL, "/mcp")
	if args["to"] = "/mcp"; v.server != "" {
		args["to"] = "/s/" + v.server + "/mcp"
		args["mcp"] = strings.TrimSuffix(args["mcp"], "/mcp") + args["to"]
	}
	if v.why != "" && (v.ended || v.after) {
		args["reason"] = v.why
	}
	if name := v.program(); name != "" {
		args["signin"], args["restart"], args["document"] = name, name, name
	}
	args["redirect"] = cmp.Or(v.situation.RedirectURI, "/auth/callback")
	args["calls"] = strconv.FormatInt(v.calls, 10)
	args["times"] = strconv.Itoa(v.times(v.end.what))
	if u, err := url.Parse(v.situation.MCPURL); err == nil && u.Host != "" {
		args["server"] = u.Host
	}
	return args
}
