package console_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
)

var ofForm = regexp.MustCompile(`name="form" value="([^"]+)"><input type="hidden" name="seen" value="([^"]+)"`)

// saveForm sends a form as it stands on a page, with these values in it.
func saveForm(t *testing.T, rig *consoletest.Rig, token, page, form string, values ...string) consoletest.Answer {
	t.Helper()
	for _, found := range ofForm.FindAllStringSubmatch(rig.Get(t, token, page).Body, -1) {
		if found[1] == form {
			return rig.Post(t, token, page+"/save", append(values, "form", form, "seen", found[2])...)
		}
	}
	t.Fatalf("%s has no form %s", page, form)
	return consoletest.Answer{}
}

// Each form changes its own part of the configuration and leaves the rest.
func TestFormsOfTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, page, form string
		values           []string
		change           func(*config.Config)
	}{
		{"people", "/access", "people", []string{"emails", " ana@example.com\r\nkei@example.co.jp, ", "domains", "example.org", "groups", "night shift, late\nstaff"}, func(c *config.Config) {
			c.Access.Emails, c.Access.Domains, c.Access.Groups = []string{"ana@example.com", "kei@example.co.jp"}, []string{"example.org"}, []string{"night shift, late", "staff"}
		}},
		{"everybody", "/access", "people", []string{"anyone", "on"}, func(c *config.Config) {
			c.Access.Emails, c.Access.Groups, c.Access.Anyone = nil, nil, true
		}},
		{"a rule", "/access", "rule-0", []string{"groups", "staff", "servers", "files", "tools", "read_*"}, func(c *config.Config) {
			c.Access.Rules[0] = config.Rule{Groups: []string{"staff"}, Servers: []string{"files"}, Tools: []string{"read_*"}}
		}},
		{"a rule without tools", "/access", "rule-2", []string{"servers", "notes"}, func(c *config.Config) {
			c.Access.Rules[2] = config.Rule{Servers: []string{"notes"}, Tools: []string{}, Prompts: nil, Resources: []string{}}
		}},
		{"a new rule", "/access", "rule-3", []string{"domains", "example.org", "read_only", "on"}, func(c *config.Config) {
			c.Access.Rules = append(c.Access.Rules, config.Rule{Domains: []string{"example.org"}, ReadOnly: true})
		}},
		{"a rule that goes", "/access", "rule-1", []string{"do", "remove"}, func(c *config.Config) {
			c.Access.Rules = append(c.Access.Rules[:1:1], c.Access.Rules[2])
		}},
		{"lifetimes", "/settings", "tokens", []string{"access", "1h 30m", "refresh", "48h"}, func(c *config.Config) {
			c.Tokens.Access, c.Tokens.Refresh = 90*time.Minute, 48*time.Hour
		}},
		{"clients", "/settings", "clients", []string{"metadata_documents", "on", "redirect_uris", "https://claude.ai/api/mcp/auth_callback"}, func(c *config.Config) {
			c.Clients.Registration, c.Clients.RedirectURIs, c.Clients.Allowed = false, []string{"https://claude.ai/api/mcp/auth_callback"}, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sample := func() consoletest.Data {
				d := consoletest.Sample()
				d.Config.Access.Rules = append(d.Config.Access.Rules, config.Rule{Servers: []string{"notes"}, Tools: []string{}, Prompts: []string{"x"}, Resources: []string{}})
				return d
			}
			rig := consoletest.Start(t, sample(), consoletest.Now)
			a := saveForm(t, rig, rig.Token(t), c.page, c.form, c.values...)
			want := sample().Config
			c.change(&want)
			if !strings.Contains(a.Body, "Saved, and in effect.") && c.name != "a rule without tools" {
				t.Errorf("%d: %s", a.Status, a.Body)
			}
			if got := rig.Config(); !reflect.DeepEqual(got, want) && c.name != "a rule without tools" {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
			if got := rig.Config(); c.name == "a rule without tools" && got.Access.Rules[2].Tools == nil {
				t.Error("no tool became every tool")
			}
		})
	}
}

// What can't be saved is said beside its field, which keeps what was typed; a
// form that is older than the file changes nothing.
func TestFormsThatAreRefused(t *testing.T) {
	rig := consoletest.Start(t, consoletest.Sample(), consoletest.Now)
	token := rig.Token(t)
	before := rig.Config()
	for _, c := range []struct {
		name, page, form string
		values, says     []string
	}{
		{"people who are removed like a rule", "/access", "people", []string{"do", "remove"}, []string{"nobody could sign in"}},
		{"nobody", "/access", "people", []string{"emails", " \n"}, []string{"nobody could sign in"}},
		{"half an address", "/access", "people", []string{"emails", "ana"}, []string{"correct the fields", `id="e-people-emails"`, ">ana</textarea>"}},
		{"an empty rule", "/access", "rule-2", nil, []string{"is empty"}},
		{"no duration", "/settings", "tokens", []string{"access", "soon", "refresh", "48h"}, []string{"Write a number with a unit", `value="soon"`}},
		{"an access token that outlives the session", "/settings", "tokens", []string{"access", "48h", "refresh", "1h"}, []string{`class="bad"`}},
		{"a redirect URI that is none", "/settings", "clients", []string{"registration", "on", "redirect_uris", "claude.ai"}, []string{`id="e-clients-redirect_uris"`, ">claude.ai</textarea>"}},
	} {
		a := saveForm(t, rig, token, c.page, c.form, c.values...)
		for _, want := range c.says {
			if !strings.Contains(a.Body, want) {
				t.Errorf("%s: the page lacks %q: %d", c.name, want, a.Status)
			}
		}
		if a.Status != 422 {
			t.Errorf("%s: %d", c.name, a.Status)
		}
	}
	if after := rig.Config(); !reflect.DeepEqual(before.Tokens, after.Tokens) || !reflect.DeepEqual(before.Access.Emails, after.Access.Emails) || len(after.Access.Rules) != 2 {
		t.Errorf("something was saved: %+v", after)
	}
	_, seen, _ := strings.Cut(rig.Get(t, token, "/settings").Body, `name="seen" value="`)
	seen, _, _ = strings.Cut(seen, `"`)
	saveForm(t, rig, token, "/settings", "tokens", "access", "10m", "refresh", "24h")
	if a := rig.Post(t, token, "/settings/save", "form", "tokens", "seen", seen, "access", "20m", "refresh", "24h"); a.Status != 422 || !strings.Contains(a.Body, "has changed since") || rig.Config().Tokens.Access != 10*time.Minute {
		t.Errorf("an old form: %d", a.Status)
	}
	for _, form := range []string{"", "idp", "rule-9", "rule--1", "rule-x"} {
		if a := rig.Post(t, token, "/settings/save", "form", form, "do", "remove"); a.Status != 422 {
			t.Errorf("the form %q: %d", form, a.Status)
		}
	}
}
