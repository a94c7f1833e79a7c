package oauth

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// taken are the assertions that FastMCP 4.2 takes and Drawbridge refuses, and why
// we do. One that it refuses, too, by now must go from here.
var taken = map[string]string{
	"a key that the client would have to prove": "a token bound to a key (cnf) would be given as a bearer token, which whoever copies it can use (RFC 7800 §3.1)",
	"audiences, ours among them":                "the draft has one audience; the others could present the assertion here (RFC 9700 §4.10)",
	"ours twice":                                "one audience is one",
	"a machine as a person":                     "our own subjects of machines begin so: a provider must not be able to make a person into one",
	"a scope in a list":                         "scope is one text (RFC 6749 §3.3); FastMCP reads none of it",
	"a scope that is none":                      "what no scope can be is an assertion of somebody who errs",
	"iat missing":                               "iat is demanded (draft §4.3); without it nobody knows for how long the assertion was made",
	"iat as null":                               "as if it were missing",
	"alg twice":                                 doubled,
}

// doubled is why no name may stand in an assertion twice.
const doubled = "who reads the first and who reads the last see two assertions under one signature (RFC 7515 §4, RFC 7519 §4)"

// given are the assertions that Drawbridge takes; FastMCP may not.
var given = map[string][]string{
	"no resource: /mcp is meant":     {"resource", ""},
	"our issuer with a slash":        {"aud", "AUD/"},
	"the MCP URL with a slash":       {"resource", "RESOURCE/"},
	"no scope, no address":           {"scope", "", "email", ""},
	"expired 20 seconds ago":         {"exp", "-20"},
	"made in 20 seconds, by a clock": {"iat", "20"},
}

// The table of refusals, beside FastMCP's own check of assertions: what it refuses
// we refuse, and what it takes and we don't has its reason. The table is
// out/fastmcp.md.
func TestEnterpriseBesideFastMCP(t *testing.T) {
	e := newEnterprise(t)
	theirs := rig.StartProcess(t, nil, rig.NeedPython(t, "sdk2"), "oauth/verdicts.py", e.company.issuer, e.app.URL, e.client.ID, e.app.MCPURL)
	ask := func(assertion string) (refused string) {
		theirs.Write(assertion)
		var answer struct{ Refused string }
		theirs.Read(&answer)
		return answer.Refused
	}
	if why := ask(e.jag().text()); why != "" {
		t.Fatalf("FastMCP refuses a good one: %s", why)
	}
	table, same := &strings.Builder{}, 0
	fmt.Fprintln(table, "| assertion | Drawbridge | FastMCP 4.2.3 | why |\n| --- | --- | --- | --- |")
	for _, row := range refusals(t, e, newCompany(t)) {
		j := e.jag()
		row.change(j)
		text := j.text()
		ours, why := e.redeem(text).Error(), ask(text)
		reason, known := taken[row.name]
		if strings.Contains(row.name, " twice") && !known {
			reason, known = doubled, true
		}
		switch {
		case ours == "":
			t.Errorf("%s: taken here; FastMCP: %s", row.name, why)
		case why == "" && !known:
			t.Errorf("%s: FastMCP takes it, and no reason is given why we don't", row.name)
		case why != "" && known:
			t.Errorf("%s: FastMCP refuses it by now: %s", row.name, why)
		}
		if why != "" {
			same++
			continue
		}
		fmt.Fprintf(table, "| %s | %s | taken | %s |\n", strings.ReplaceAll(row.name, "|", "/"), ours, reason)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		change := slices.Clone(given[name])
		for i, value := range change {
			switch {
			case i%2 == 0 || value == "":
			case change[i-1] == "exp" || change[i-1] == "iat":
				after, _ := strconv.Atoi(value)
				change[i] = seconds(time.Duration(after) * time.Second)
			default:
				change[i] = quoted(strings.NewReplacer("AUD", e.app.URL, "RESOURCE", e.app.MCPURL).Replace(value))
			}
		}
		if change[0] == "exp" {
			change = append(change, "iat", seconds(-200*time.Second))
		}
		why := ask(e.with(change...).text())
		if r := e.redeem(e.with(change...).text()); r.Status != 200 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
		if why != "" {
			fmt.Fprintf(table, "| %s | taken | refused: %s | |\n", name, strings.NewReplacer("|", "/", e.app.URL, "https://…").Replace(why))
		}
	}
	fmt.Fprintf(table, "\nRefused by both: %d.\n", same)
	t.Log("\n" + table.String())
	if err := os.WriteFile("out/fastmcp.md", []byte(table.String()), 0o644); err != nil {
		t.Error(err)
	}
}
