package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// saveOver saves what change makes of text, and returns the file then.
func saveOver(t *testing.T, text string, change func(*config.Config)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	change(&c)
	if err := save(path, c); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(path)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("loaded %+v, %v\nwant   %+v", got, err, c)
	}
	data, _ := os.ReadFile(path)
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".drawbridge-*")); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
	return string(data)
}

const commented = `# The bridge at home.
listen = "127.0.0.1:8000" # behind nothing

[idp]
# Okta's own server: no API Access Management here.
issuer    = "https://dev-1.okta.com"   # not the custom one
client_id = '0oa1'

[access]
emails = [
  "ana@example.com", # me
  "bob@example.com", # "him" ]
]
anyone = false
`

func TestSaveKeepsWhatAPersonWrote(t *testing.T) {
	if got := saveOver(t, commented, func(*config.Config) {}); got != commented {
		t.Errorf("nothing was changed, and the file is\n%s", got)
	}
	got := saveOver(t, commented, func(c *config.Config) {
		c.IDP.Issuer, c.IDP.Audience = "https://dev-1.okta.com/oauth2/default", "api://default"
		c.PublicURL = "https://name.ngrok.app"
		c.Tunnel = config.Tunnel{Provider: "ngrok", Domain: "name.ngrok.app"}
		c.Access.Groups = []string{"Team \"B\""}
	})
	want := strings.NewReplacer(
		`"https://dev-1.okta.com" `, `'https://dev-1.okta.com/oauth2/default' `,
		"# behind nothing\n", "# behind nothing\npublic_url = 'https://name.ngrok.app'\n",
		"'0oa1'\n", "'0oa1'\naudience = 'api://default'\n",
		"anyone = false\n", "anyone = false\ngroups = ['Team \"B\"']\n\n[tunnel]\nprovider = 'ngrok'\ndomain = 'name.ngrok.app'\n",
	).Replace(commented)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSaveOver(t *testing.T) {
	for _, c := range []struct {
		name, text string
		change     func(*config.Config)
		keeps      []string
		lacks      []string
	}{
		{"a value that is as by default again", "public_url = \"https://a.example\"\n# after\n[tunnel]\ndomain = \"a.example\" # mine\nprovider = \"ngrok\"\n",
			func(c *config.Config) { c.PublicURL, c.Tunnel.Domain = "", "" }, []string{"# after", "provider"}, []string{"a.example"}},
		{"Windows' line ends and byte order mark", "\ufeff# top\r\n[idp]\r\nissuer = \"https://a.example\"\r\n",
			func(c *config.Config) { c.IDP.ClientID = "id" }, []string{"# top\r\n", "client_id = 'id'\r\n"}, []string{"'id'\n\n"}},
		{"no line end at the end", "[idp]\nissuer = \"https://a.example\" # mine",
			func(c *config.Config) { c.IDP.ClientID = "id" }, []string{"# mine\nclient_id = 'id'\n"}, nil},
		{"an empty file", "", func(c *config.Config) { c.IDP.ClientID = "id" }, []string{"[idp]\nclient_id = 'id'"}, nil},
		{"comments alone", "# nothing yet\n", func(c *config.Config) { c.PublicURL = "https://a.example" }, []string{"# nothing yet\n", "public_url"}, nil},
		{"dotted keys", "# top\nidp.issuer = \"https://a.example\"\nidp.client_id = \"id\"\n",
			func(c *config.Config) { c.IDP.ClientID = "other" }, []string{"# top", "other"}, []string{`"id"`}},
		{"a table on one line", "# top\nidp = { issuer = \"https://a.example\", client_id = \"id\" }\n",
			func(c *config.Config) { c.IDP.Issuer = "https://b.example" }, []string{"b.example"}, []string{"a.example"}},
		{"a table on one line that lacks the key", "idp = { issuer = \"https://a.example\" }\n",
			func(c *config.Config) { c.IDP.ClientID = "id" }, []string{"a.example", "id"}, nil},
		{"texts of many lines", "[idp]\nissuer = \"\"\"https://a.example\"\"\"\nclient_id = '''id'''\n",
			func(c *config.Config) { c.IDP.ClientID = "i\"d" }, []string{`"""https://a.example"""`}, []string{"'''id'''"}},
		{"a list emptied", "[access]\nemails = [\"ana@example.com\"]\ngroups = [\"b\"] # all\n",
			func(c *config.Config) { c.Access.Emails = nil }, []string{"groups = [\"b\"] # all"}, []string{"ana"}},
		{"a list of an item a line", "[access] # who\nemails = [ # us\n  # the family\n  \"ana@example.com\", # since March\n  'bob@example.com', # until June\n  \"kei@example.com\" # = ],\n] # that is all\n",
			func(c *config.Config) {
				c.Access.Emails = []string{"ana@example.com", "kei@example.com", "zoe@example.com"}
			},
			[]string{"[ # us\n  # the family\n  \"ana@example.com\", # since March\n  \"kei@example.com\", # = ],\n  'zoe@example.com',\n] # that is all\n"}, []string{"bob"}},
		{"a list of an item a line, of Windows", "[access]\r\nemails = [\r\n\t\"ana@example.com\", # since March\r\n]\r\n",
			func(c *config.Config) { c.Access.Emails = append(c.Access.Emails, "zoe@example.com") },
			[]string{"# since March\r\n\t'zoe@example.com',\r\n]\r\n"}, nil},
		{"a list in another order", "[access]\nemails = [\n  \"ana@example.com\",\n  \"bob@example.com\",\n] # all\n",
			func(c *config.Config) { c.Access.Emails = []string{"bob@example.com", "ana@example.com"} },
			[]string{"[\n  \"bob@example.com\",\n  'ana@example.com',\n] # all\n"}, nil},
		{"a list of lines with two items", "[access]\nemails = [\n  \"ana@example.com\", \"bob@example.com\",\n  \"kei@example.com\"\n  , ] # all\n",
			func(c *config.Config) { c.Access.Emails = c.Access.Emails[:2] },
			[]string{"['ana@example.com', 'bob@example.com'] # all"}, nil},
		{"a comma on the line below", "[access]\nemails = [\n  \"ana@example.com\"\n  , \"bob@example.com\"\n] # all\n",
			func(c *config.Config) { c.Access.Emails = c.Access.Emails[:1] }, []string{"['ana@example.com'] # all"}, nil},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			got := saveOver(t, c.text, c.change)
			for _, s := range c.keeps {
				if !strings.Contains(got, s) {
					t.Errorf("no %q in\n%s", s, got)
				}
			}
			for _, s := range c.lacks {
				if strings.Contains(got, s) {
					t.Errorf("%q is still in\n%s", s, got)
				}
			}
		})
	}
}

const house = `# Ours.
[access]
anyone = true # until March

# The family reads.
[[access.rule]]
domains = ["example.org"] # all of them
tools = ["read_*"]

# Ana does what she wants.
[[access.rule]]
emails = ["ana@example.com"]

[server.files]
ask = ["write_*"] # never without me
idle = "1h"

# Slow.
[server."a.b"]
timeout = "10m"
`

func TestEditsKeepWhatAPersonWrote(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*config.Config)
		want   []string // in turns: what was, and what it becomes
	}{
		{"a tool switched off", func(c *config.Config) {
			s := c.Servers["files"]
			s.ToolsOff = []string{"delete_file"}
			c.Servers["files"] = s
		}, []string{"idle = \"1h\"\n", "idle = \"1h\"\ntools_off = ['delete_file']\n"}},
		{"what asks", func(c *config.Config) {
			c.Servers["files"] = config.ServerSettings{Ask: []string{"*"}, Idle: time.Hour, HoldChanges: true}
		}, []string{`["write_*"]`, "['*']", "idle = \"1h\"\n", "idle = \"1h\"\nhold_changes = true\n"}},
		{"a key as usual again", func(c *config.Config) { c.Servers["a.b"] = config.ServerSettings{} },
			[]string{"timeout = \"10m\"\n", ""}},
		{"a new server", func(c *config.Config) { c.Servers["new one"] = config.ServerSettings{} }, nil},
		{"another server", func(c *config.Config) { c.Servers["git"] = config.ServerSettings{Shared: true} },
			[]string{"timeout = \"10m\"\n", "timeout = \"10m\"\n\n[server.git]\nshared = true\n"}},
		{"a server that is no more", func(c *config.Config) { delete(c.Servers, "files") },
			[]string{"\n[server.files]\nask = [\"write_*\"] # never without me\nidle = \"1h\"\n", ""}},
		{"the first rule taken out", func(c *config.Config) { c.Access.Rules = c.Access.Rules[1:] },
			[]string{"[[access.rule]]\ndomains = [\"example.org\"] # all of them\ntools = [\"read_*\"]\n", ""}},
		{"the last rule taken out", func(c *config.Config) { c.Access.Rules = c.Access.Rules[:1] },
			[]string{"[[access.rule]]\nemails = [\"ana@example.com\"]\n", ""}},
		{"a rule changed", func(c *config.Config) { c.Access.Rules[0].Tools = []string{"*"}; c.Access.Rules[1].ReadOnly = true },
			[]string{`["read_*"]`, "['*']", "[\"ana@example.com\"]\n", "[\"ana@example.com\"]\nread_only = true\n"}},
		{"one rule more", func(c *config.Config) {
			c.Access.Rules = append(c.Access.Rules, config.Rule{Groups: []string{"guests"}, Tools: []string{"echo"}})
		}, []string{"timeout = \"10m\"\n", "timeout = \"10m\"\n\n[[access.rule]]\ngroups = ['guests']\ntools = ['echo']\n"}},
		{"lifetimes", func(c *config.Config) { c.Tokens.Access, c.Access.Anyone = time.Minute, false },
			[]string{"anyone = true #", "anyone = false #", "timeout = \"10m\"\n", "timeout = \"10m\"\n\n[tokens]\naccess = '1m'\n"}},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.toml")
			if err := os.WriteFile(path, []byte(house), 0o600); err != nil {
				t.Fatal(err)
			}
			err := config.Edit(path, func(cfg *config.Config) error { c.change(cfg); return nil })
			got, _ := os.ReadFile(path)
			if c.want == nil { // a bad name
				if err == nil {
					t.Error("it was taken")
				}
			} else if err != nil {
				t.Error(err)
			}
			if want := strings.NewReplacer(c.want...).Replace(house); string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Whatever is there, what is saved over it is what is loaded then.
func FuzzSaveOver(f *testing.F) {
	f.Add([]byte(commented), "https://b.example", "ana@example.com")
	f.Add([]byte("idp = { issuer = \"https://a.example\" } # x\n[access]\nemails=[ 'a@b.example' ,\n#]\n]"), "", "g\"'\\")
	f.Add([]byte("tunnel.domain='''a.example'''\r\n'public_url'=\"https://a.example\""), "https://b.example", "=#[")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, url, group string) {
		c, err := config.Parse("f", data)
		if err != nil {
			return
		}
		path := filepath.Join(dir, "config.toml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c.PublicURL, c.IDP.Issuer, c.IDP.ClientID, c.Tunnel.Domain = url, url, group, strings.TrimPrefix(url, "https://")
		c.Access = config.Access{Groups: []string{group}, Domains: c.Access.Emails}
		if save(path, c) != nil {
			return // bad values
		}
		got, err := config.Load(path)
		if err != nil || got.IDP.ClientID != group || got.Tunnel.Domain != c.Tunnel.Domain || !reflect.DeepEqual(got.Access, c.Access) {
			t.Fatalf("saved %+v\nloaded %+v, %v", c, got, err)
		}
	})
}
