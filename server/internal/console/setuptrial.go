package console

import (
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// setupTrial is a dry run as the page shows it.
type setupTrial struct {
	State    wizard.TrialState
	Says     string
	Unsure   bool // only a sign-in can tell whether the redirect URI is known
	Facts    []setupFact
	Allowed  bool
	Verdict  string
	Warnings []string
	NoGroups string // why, where it does not matter enough for a warning
}

// setupFact is one line of a result: the key of what it is, and what it is.
type setupFact struct {
	Key   string
	Value string
}

func drawTrial(r *Request, st wizard.TrialStatus) *setupTrial {
	t := &setupTrial{State: st.State, Says: r.sentence(st.Says), Unsure: st.Unsure}
	res := st.Result
	if res == nil {
		return t
	}
	t.Allowed, t.Verdict = res.Allowed, r.sentence(res.Verdict)
	for _, w := range res.Warnings {
		t.Warnings = append(t.Warnings, r.sentence(w))
	}
	fact := func(key, value string) {
		if value == "" {
			value = r.Say("setup.trial.none")
		}
		t.Facts = append(t.Facts, setupFact{"setup.trial." + key, value})
	}
	yes := func(is bool) string {
		if is {
			return r.Say("setup.yes")
		}
		return r.Say("setup.no")
	}
	fact("name", res.Name)
	fact("email", res.Email)
	if res.Email != "" {
		fact("verified", yes(res.Verified))
	}
	fact("groups", strings.Join(res.Groups, ", "))
	if why := r.sentence(res.NoGroups); why != "" && !slices.Contains(t.Warnings, why) {
		t.NoGroups = why
	}
	fact("refresh", yes(res.Refresh))
	fact("scopes", strings.Join(res.Scopes, " "))
	return t
}
