package timeline

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
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
// looked around: some of these end one that has come further.
func counts(w What) bool {
	return w.kind() != discovery || w == WrongOrigin || w == WrongHost || w == Limited || w == NotReady
}

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
	if i := slices.IndexFunc(rules, func(r rule) bool { return r.fits(v) }); i >= 0 {
		r = rules[i]
	}
	if r.key == "" {
		r.key, r.outcome = string(v.end.what), v.end.what.Outcome()
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
	for name, value := range map[string]string{"client": v.client, "user": v.user, "agent": v.agent} {
		if delete(args, name); value != "" {
			args[name] = value
		}
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
		args["server"], args["issuer"] = u.Host, u.Scheme+"://"+u.Host
	}
	return args
}

// programs are the clients that are told in their own words what to do, by a
// part of the name or agent that they give. The first that fits counts.
var programs = []struct{ part, name string }{
	{"claude code", "claude-code"}, {"claude-code", "claude-code"}, {"codex", "codex"}, {"gemini", "gemini"}, {"opencode", "opencode"},
	{"cursor", "cursor"}, {"visual studio code", "vscode"}, {"vscode", "vscode"}, {"chatgpt", "chatgpt"}, {"openai", "codex"}, {"claude", "claude"},
}

// program is which of them an attempt is of, "" if none.
func (a *attempt) program() string {
	for _, text := range []string{a.client, a.agent} {
		text = strings.ToLower(text)
		for _, p := range programs {
			if strings.Contains(text, p.part) {
				return p.name
			}
		}
	}
	return ""
}
