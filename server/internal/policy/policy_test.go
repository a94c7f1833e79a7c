package policy_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func person(email string, groups ...string) *oauth.Caller {
	_, domain, _ := strings.Cut(email, "@")
	return &oauth.Caller{User: status.User{Sub: "sub-" + email, Email: email}, EmailVerified: true, Domain: domain, Groups: groups}
}

// The rules of a house: Ana everything, the team reads files, everybody the
// built-in tools.
var house = []config.Rule{
	{Emails: []string{"Ana@Example.com"}},
	{Groups: []string{"Team B"}, Domains: []string{"@example.org"}, Servers: []string{"files"}, Tools: []string{"read_*", "list_directory"}, Resources: []string{"file:///public/*"}},
	{Groups: []string{"readers"}, Servers: []string{"git*"}, ReadOnly: true},
	{Servers: []string{"drawbridge"}},
}

func TestTool(t *testing.T) {
	unverified := person("ana@example.com")
	unverified.EmailVerified = false
	for _, c := range []struct {
		name         string
		who          *oauth.Caller
		server, tool string
		readOnly     bool
		want         bool
	}{
		{"the owner's tool", person("ana@example.com"), "files", "write_file", false, true},
		{"the owner in another spelling", person("ANA@example.COM"), "files", "write_file", false, true},
		{"an address that is not verified", unverified, "files", "write_file", false, false},
		{"the Kelvin sign for a k", person("an\u212a@example.com"), "files", "write_file", false, false},
		{"a stranger", person("eve@example.net"), "files", "read_file", false, false},
		{"a stranger's built-in tool", person("eve@example.net"), "drawbridge", "echo", false, true},
		{"nobody at all", nil, "files", "read_file", true, false},
		{"a tool of the domain's", person("bob@example.org"), "files", "read_file", false, true},
		{"another tool for the domain", person("bob@example.org"), "files", "write_file", false, false},
		{"another server for the domain", person("bob@example.org"), "git", "read_file", false, false},
		{"a part of the server's name", person("bob@example.org"), "files2", "read_file", false, false},
		{"a domain below", person("bob@sub.example.org"), "files", "read_file", false, false},
		{"a group", person("", "Team B"), "files", "list_directory", false, true},
		{"Keycloak's group", person("", "/Team B"), "files", "list_directory", false, true},
		{"a group in another spelling", person("", "team b"), "files", "list_directory", false, false},
		{"a tool that only reads", person("", "readers"), "github", "get_issue", true, true},
		{"a tool that writes", person("", "readers"), "github", "create_issue", false, false},
		{"a tool in another spelling", person("", "Team B"), "files", "Read_file", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := policy.New(house).Tool(c.who, c.server, c.tool, c.readOnly); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestPromptsAndResources(t *testing.T) {
	p, team, readers, eve := policy.New(house), person("", "Team B"), person("", "readers"), person("eve@example.net")
	for name, c := range map[string]struct{ got, want bool }{
		"prompts come with all tools":              {p.Prompt(readers, "git", "review"), true},
		"prompts don't come with some tools":       {p.Prompt(team, "files", "review"), false},
		"resources that are named":                 {p.Resource(team, "files", "file:///public/a/b"), true},
		"resources that are not":                   {p.Resource(team, "files", "file:///home/ana"), false},
		"resources come with all tools":            {p.Resource(readers, "git", "git://x"), true},
		"a stranger's resource":                    {p.Resource(eve, "git", "git://x"), false},
		"a URI longer than any":                    {p.Resource(person("ana@example.com"), "files", strings.Repeat("a", 9000)), false},
		"a server some of which is for them":       {p.Server(team, "files"), true},
		"a server nothing of which is":             {p.Server(team, "git"), false},
		"a stranger's server":                      {p.Server(eve, "files"), false},
		"a stranger's built-in tools":              {p.Server(eve, config.BuiltIn), true},
		"no tools and one prompt":                  {policy.New([]config.Rule{{Tools: []string{}, Prompts: []string{"a"}}}).Prompt(eve, "x", "a"), true},
		"no tools and one prompt, a tool":          {policy.New([]config.Rule{{Tools: []string{}, Prompts: []string{"a"}}}).Tool(eve, "x", "a", true), false},
		"no tools and one prompt, the server":      {policy.New([]config.Rule{{Tools: []string{}, Prompts: []string{"a"}}}).Server(eve, "x"), true},
		"a rule for nothing, the server":           {policy.New([]config.Rule{{Tools: []string{}}}).Server(eve, "x"), false},
		"no prompts beside all tools":              {policy.New([]config.Rule{{Emails: nil, Prompts: []string{}}}).Prompt(eve, "x", "a"), false},
		"no rules: a tool":                         {policy.New(nil).Tool(eve, "x", "a", false), true},
		"no rules: a prompt":                       {policy.New(nil).Prompt(eve, "x", "a"), true},
		"no rules: a resource":                     {policy.New(nil).Resource(eve, "x", strings.Repeat("a", 9000)), true},
		"no rules: a server, and nobody to use it": {policy.New(nil).Server(nil, "x"), true},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", name, c.got)
		}
	}
}

// The second implementation says the same in other words: what a rule leaves
// out is written out first, and patterns are regular expressions.
type naive struct{ rules []config.Rule }

func (n naive) may(who *oauth.Caller, server, kind, name string, readOnly bool) bool {
	if n.rules == nil {
		return true
	}
	ok := false
	for _, r := range n.rules {
		all := []string{"*"}
		if r.Prompts == nil && r.Tools == nil {
			r.Prompts = all
		}
		if r.Resources == nil && r.Tools == nil {
			r.Resources = all
		}
		if r.Tools == nil {
			r.Tools = all
		}
		if r.Servers == nil {
			r.Servers = all
		}
		whom := r.Emails == nil && r.Domains == nil && r.Groups == nil
		for _, e := range r.Emails {
			whom = whom || who.EmailVerified && strings.EqualFold(e, who.User.Email)
		}
		for _, d := range r.Domains {
			whom = whom || who.EmailVerified && strings.EqualFold(d, who.Domain)
		}
		for _, g := range who.Groups {
			whom = whom || slices.Contains(r.Groups, g)
		}
		what := map[string][]string{"tool": r.Tools, "prompt": r.Prompts, "resource": r.Resources}[kind]
		if kind == "tool" && r.ReadOnly && !readOnly {
			what = nil
		}
		ok = ok || whom && fits(r.Servers, server) && fits(what, name)
	}
	return ok
}

func fits(globs []string, s string) bool {
	for _, g := range globs {
		re := strings.NewReplacer(`\*`, `(?s:.*)`, `\?`, `(?s:.)`).Replace(regexp.QuoteMeta(g))
		if regexp.MustCompile("^(?:" + re + ")$").MatchString(s) {
			return true
		}
	}
	return false
}

func TestAgainstASecondImplementation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	some := func(from ...string) []string {
		if r.IntN(3) == 0 {
			return nil
		}
		var l []string
		for range 1 + r.IntN(2) {
			l = append(l, pick(from...))
		}
		return l
	}
	names := func() []string {
		if r.IntN(6) == 0 {
			return []string{}
		}
		return some("a", "b", "a*", "*b", "?", "*", "a?b", "**a")
	}
	addresses := func(globs []string) []string { // they begin with a scheme
		for i := range globs {
			globs[i] = "x:" + globs[i]
		}
		return globs
	}
	yes := 0
	const rounds = 20_000
	for range rounds {
		var rules []config.Rule
		for range r.IntN(4) {
			rules = append(rules, config.Rule{Emails: some("x@a.b", "Y@A.B", "z@c.d"), Domains: some("a.b", "C.D"), Groups: some("g", "h"),
				Servers: some("s", "t", "?", "s*"), Tools: names(), Prompts: names(), Resources: addresses(names()), ReadOnly: r.IntN(3) == 0})
		}
		who := person(pick("x@a.b", "y@a.b", "z@c.d", "w@e.f"), some("g", "h", "i")...)
		who.EmailVerified = r.IntN(4) != 0
		server, name, readOnly := pick("s", "t", "st"), pick("a", "b", "ab", "acb", "c"), r.IntN(2) == 0
		p, second := policy.New(rules), naive{rules}
		any := false
		for _, kind := range []string{"tool", "prompt", "resource"} {
			got := map[string]bool{"tool": p.Tool(who, server, name, readOnly), "prompt": p.Prompt(who, server, name), "resource": p.Resource(who, server, "x:"+name)}[kind]
			what := name
			if kind == "resource" {
				what = "x:" + name
			}
			if want := second.may(who, server, kind, what, readOnly); got != want {
				t.Fatalf("%s %s of %s for %+v: %v, want %v\n%+v", kind, name, server, who, got, want, rules)
			}
			if got {
				yes, any = yes+1, true
			}
		}
		if any && !p.Server(who, server) {
			t.Fatalf("something of %s is allowed, and the server is not: %+v", server, rules)
		}
	}
	if yes < rounds/2 || yes > 5*rounds/2 {
		t.Errorf("%d of %d were allowed: the test tells nothing", yes, 3*rounds)
	}
}

// Who may use a thing is told as the owner wrote it, each once.
func TestWhom(t *testing.T) {
	rules := []config.Rule{{Emails: []string{"ana@example.com"}, Groups: []string{"staff"}}, {Domains: []string{"example.org"}, Tools: []string{"read_*"}},
		{Groups: []string{"staff"}, Servers: []string{"files"}}, {Servers: []string{"open"}}, {Emails: []string{"bob@example.com"}, ReadOnly: true}}
	for _, c := range []struct{ server, tool, want string }{
		{"files", "read_file", "[@example.org ana@example.com staff]"},
		{"files", "write_file", "[ana@example.com staff]"},
		{"open", "write_file", "everybody"},
	} {
		got := "everybody"
		if whom := policy.New(rules).Whom(func(p *policy.Policy) bool { return p.Tool(nil, c.server, c.tool, false) }); whom != nil {
			got = fmt.Sprint(whom)
		}
		if got != c.want {
			t.Errorf("%s/%s: %s, want %s", c.server, c.tool, got, c.want)
		}
	}
	none := policy.New(rules[1:2]).Whom(func(p *policy.Policy) bool { return p.Tool(nil, "files", "write_file", false) })
	if none == nil || len(none) > 0 || policy.New(nil).Whom(nil) != nil {
		t.Errorf("nobody: %q; without rules not everybody", none)
	}
}

// A stranger chooses names and URIs; the owner's patterns must not make them
// expensive. The work is bounded by what config takes: a thousand of the worst.
func TestHostilePatterns(t *testing.T) {
	var rules []config.Rule
	for i := range 100 {
		rules = append(rules, config.Rule{Tools: []string{}, Resources: []string{strings.Repeat("a*", 100) + fmt.Sprint(i)}})
	}
	if policy.New(rules).Resource(person("x@a.b"), "s", strings.Repeat("a", 8192)) {
		t.Error("allowed")
	}
}

func BenchmarkTool(b *testing.B) {
	p, who := policy.New(house), person("eve@example.net", "g", "h")
	b.ReportAllocs()
	for b.Loop() {
		p.Tool(who, "files", "read_file", true)
	}
}

// A machine may do what rules for it say, and what those say that are for everybody:
// no list of people names it, and no person passes for it.
func TestMachines(t *testing.T) {
	p := policy.New([]config.Rule{{Machines: []string{"ci"}, Servers: []string{"files"}}, {Domains: []string{"example.org"}, Servers: []string{"git"}}, {Servers: []string{"drawbridge"}}})
	machine := func(name string) *oauth.Caller {
		return &oauth.Caller{Through: status.Machine, User: status.User{Sub: "machine:" + name, Name: name}, Client: status.SessionClient{Name: name}}
	}
	posing := person("eve@example.net", "ci")
	posing.User.Name, posing.Client.Name, posing.User.Sub = "ci", "ci", "machine:ci"
	for _, c := range []struct {
		name   string
		who    *oauth.Caller
		server string
		want   bool
	}{
		{"its server", machine("ci"), "files", true},
		{"another server", machine("ci"), "git", false},
		{"everybody's server", machine("ci"), "drawbridge", true},
		{"another machine", machine("CI"), "files", false},
		{"a person of its name", posing, "files", false},
		{"a machine called like a domain", machine("x@example.org"), "git", false},
		{"nobody", nil, "files", false},
	} {
		if got := p.Tool(c.who, c.server, "read", true); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if whom := p.Whom(func(p *policy.Policy) bool { return p.Server(nil, "files") }); !slices.Equal(whom, []string{"machine:ci"}) {
		t.Errorf("whom: %q", whom)
	}
}
