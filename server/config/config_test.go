package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

func full() config.Config {
	return config.Config{
		PublicURL: "https://name.ngrok.app",
		Listen:    "127.0.0.1:8001",
		IDP: config.IDP{Issuer: "https://dev-123.okta.com/oauth2/default", ClientID: "0oa1", Audience: "api://default",
			Scopes: []string{"openid", "profile", "email", "offline_access", "groups"}, GroupsClaim: "realm_access.roles", TrustEmail: true, Tenants: []string{"9188040d-6c67-4c5b-b112-36a304b66dad"}},
		Tunnel: config.Tunnel{Provider: "ngrok", Domain: "name.ngrok.app", ConnectURL: "ingress.example.com:443", ConnectCAs: "/etc/ca.pem", TrustedProxies: []string{"127.0.0.1", "10.0.0.0/8"}},
		Access: config.Access{Emails: []string{"ana@example.com"}, Domains: []string{"example.org"}, Groups: []string{"admins", "Team B"},
			Rules: []config.Rule{{Emails: []string{"ana@example.com"}},
				{Domains: []string{"example.org"}, Groups: []string{"Team B"}, Machines: []string{"ci"}, Servers: []string{"files", "git*"}, Tools: []string{"read_*", "list_?"},
					Prompts: []string{}, Resources: []string{"file:///home/*"}, ReadOnly: true},
				{Tools: []string{}, Prompts: []string{"*"}}}},
		Clients:    config.Clients{RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback", "cursor://anysphere.cursor-mcp/oauth/callback"}, Allowed: []string{"https://a.example/cb"}},
		Tokens:     config.Tokens{Access: 90 * time.Second, Refresh: 48 * time.Hour},
		Enterprise: config.Enterprise{Enabled: true, Issuers: []string{"https://dev-123.okta.com"}, Access: 10 * time.Minute},
		Tools:      config.Tools{Echo: true},
		Limits:     config.Limits{CallsPerMinute: 1200},
		Network:    config.Network{Proxy: "http://ana@proxy.example:8080", NoProxy: []string{".example.com", "10.0.0.0/8"}, CAFile: "/etc/company.pem"},
		Updates:    config.Updates{Feed: "https://api.github.com/repos/drawbridge-app/drawbridge/releases/latest"},
		Servers: map[string]config.ServerSettings{
			"files": {Ask: []string{"write_*", "delete_file"}, HoldChanges: true, Timeout: 90 * time.Second, Idle: -1},
			"a.b":   {ToolsOff: []string{"delete_*"}, Idle: time.Hour, Start: 2 * time.Minute, Shared: true}},
	}
}

func TestLoadsEveryKey(t *testing.T) {
	got, err := config.Load("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	if want := full(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "\ufeff# from Notepad\r\n[idp]\r\n"} {
		got, err := config.Parse("c", []byte(text))
		if err != nil || !reflect.DeepEqual(got, config.Default()) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if err := config.Default().Validate(); err != nil {
		t.Error(err)
	}
	if got := config.Default().Missing(); !reflect.DeepEqual(got, []string{"idp.issuer", "idp.client_id"}) {
		t.Errorf("missing %v", got)
	}
	if got := full().Missing(); got != nil {
		t.Errorf("missing %v", got)
	}
}

func TestNoFile(t *testing.T) {
	got, err := config.Load(filepath.Join(t.TempDir(), "config.toml"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "drawbridge setup") || !reflect.DeepEqual(got, config.Default()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRedirectURIsUnsetOrNone(t *testing.T) {
	unset, err := config.Parse("c", []byte("[clients]\nregistration = true"))
	if err != nil || unset.Clients.RedirectURIs != nil {
		t.Errorf("unset: %#v, %v", unset.Clients, err)
	}
	none, err := config.Parse("c", []byte("[clients]\nredirect_uris = []"))
	if err != nil || none.Clients.RedirectURIs == nil || len(none.Clients.RedirectURIs) != 0 {
		t.Errorf("none: %#v, %v", none.Clients, err)
	}
	for _, uri := range config.WellKnownRedirectURIs() {
		c := config.Default()
		c.Clients.RedirectURIs = []string{uri}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestPublicURLHasOneSpelling(t *testing.T) {
	for text, want := range map[string]string{
		"https://name.ngrok.app/":      "https://name.ngrok.app",
		"https://Name.Ngrok.app:443":   "https://name.ngrok.app",
		"HTTPS://name.example:8443":    "https://name.example:8443",
		"http://LOCALHOST:80/":         "http://localhost",
		"http://127.0.0.1:8000":        "http://127.0.0.1:8000",
		"http://[::1]:8000":            "http://[::1]:8000",
		"https://192.0.2.1":            "https://192.0.2.1",
		"https://xn--bcher-kva.org:44": "https://xn--bcher-kva.org:44",
	} {
		c, err := config.Parse("c", []byte("public_url = '"+text+"'"))
		if err != nil || c.PublicURL != want {
			t.Errorf("%s: %q, %v", text, c.PublicURL, err)
		}
	}
}

func TestURL(t *testing.T) {
	for _, c := range []struct {
		config config.Config
		want   string
	}{
		{config.Config{PublicURL: "https://a.example", Listen: "127.0.0.1:1"}, "https://a.example"},
		{config.Config{Tunnel: config.Tunnel{Provider: "ngrok", Domain: "n.ngrok.app"}, Listen: "127.0.0.1:1"}, "https://n.ngrok.app"},
		{config.Config{Tunnel: config.Tunnel{Provider: "ngrok"}, Listen: "127.0.0.1:1"}, ""},
		{config.Config{Tunnel: config.Tunnel{Domain: "n.ngrok.app"}, Listen: "127.0.0.1:1"}, "https://n.ngrok.app"},
		{config.Config{Tunnel: config.Tunnel{Provider: "none", Domain: "n.ngrok.app"}, Listen: "127.0.0.1:1"}, "http://127.0.0.1:1"},
		{config.Config{Listen: "0.0.0.0:8000"}, "http://127.0.0.1:8000"},
		{config.Config{Listen: "[::1]:8000"}, "http://[::1]:8000"},
		{config.Config{Listen: "127.0.0.1:0"}, ""},
	} {
		if got := c.config.URL(); got != c.want {
			t.Errorf("%+v: %q", c.config, got)
		}
	}
}

func TestTunnelProvider(t *testing.T) {
	for _, c := range []struct {
		name      string
		config    config.Config
		authtoken bool
		want      string
	}{
		{"nothing at all", config.Config{}, false, "none"},
		{"an authtoken alone", config.Config{}, true, "ngrok"},
		{"an authtoken beside a public URL", config.Config{PublicURL: "https://a.example"}, true, "none"},
		{"a domain beside a public URL", config.Config{PublicURL: "https://a.example", Tunnel: config.Tunnel{Domain: "n.ngrok.app"}}, false, "ngrok"},
		{"an ingress", config.Config{Tunnel: config.Tunnel{ConnectURL: "ingress.example:443"}}, false, "ngrok"},
		{"none, said so", config.Config{Tunnel: config.Tunnel{Provider: "none", Domain: "n.ngrok.app"}}, true, "none"},
		{"ngrok, said so", config.Config{PublicURL: "https://a.example", Tunnel: config.Tunnel{Provider: "ngrok"}}, false, "ngrok"},
	} {
		if got := c.config.TunnelProvider(c.authtoken); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSave(t *testing.T) {
	for _, c := range []config.Config{full(), config.Default(), func() config.Config {
		c := config.Default()
		c.Clients.RedirectURIs = []string{}
		c.Tokens.Refresh = 90 * time.Minute
		c.IDP.ClientID = "q\"uo\\te'd #é"
		return c
	}()} {
		path := filepath.Join(t.TempDir(), "new", "drawbridge", "config.toml")
		for range 2 { // once new, once over the old one
			if err := save(path, c); err != nil {
				t.Fatal(err)
			}
		}
		got, err := config.Load(path)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, c)
		}
		if runtime.GOOS != "windows" {
			for p, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
				if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v, %v", p, info.Mode(), err)
				}
			}
		}
		if all, _ := os.ReadDir(filepath.Dir(path)); len(all) != 1 {
			t.Errorf("left behind: %v", all)
		}
	}
}

func TestSaveGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	c := config.Default()
	c.IDP.Issuer, c.IDP.ClientID, c.Access.Emails = "https://dev-123.okta.com/oauth2/default", "0oa1", []string{"ana@example.com"}
	if err := save(path, c); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	want, _ := os.ReadFile("testdata/saved.toml")
	if string(got) != string(want) {
		t.Errorf("saved:\n%s", got)
	}
}

// A new file has every table that is not as by default, in the order in which
// they are declared, and a remark above what people look for.
func TestSaveGoldenOfEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := save(path, full()); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	want, _ := os.ReadFile("testdata/saved-full.toml")
	if string(got) != string(want) {
		t.Errorf("saved:\n%s", got)
	}
}

func TestSaveKeepsTheOldFileWhenItFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	if err := save(path, full()); err != nil {
		t.Fatal(err)
	}
	broken := full()
	broken.Listen = "nowhere"
	if err := save(path, broken); err == nil {
		t.Error("a bad configuration was saved")
	}
	if got, err := config.Load(path); err != nil || !reflect.DeepEqual(got, full()) {
		t.Errorf("%+v, %v", got, err)
	}
	if runtime.GOOS == "windows" {
		return // links need rights there
	}
	link := filepath.Join(dir, "link.toml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := save(link, config.Default()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	if got, err := config.Load(path); err != nil || !reflect.DeepEqual(got, config.Default()) {
		t.Errorf("the linked file: %+v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/full.toml", "testdata/saved.toml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, c := range refused {
		f.Add([]byte(c.text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("f", data)
		if err != nil {
			for _, e := range config.Errors(err) {
				if e.Line < 1 || e.Line > 1+strings.Count(string(data), "\n") || e.Msg == "" {
					t.Fatalf("an error without a place: %+v", e)
				}
			}
			return
		}
		path := filepath.Join(dir, "config.toml")
		if err := save(path, c); err != nil {
			t.Fatal(err)
		}
		again, err := config.Load(path)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%v\nfirst %+v\nagain %+v", err, c, again)
		}
	})
}

// An issuer for many tenants needs their names only where they would decide.
func TestTenantsWhereTheyDecide(t *testing.T) {
	for text, good := range map[string]bool{
		"[idp]\nissuer = 'https://login.microsoftonline.com/organizations/v2.0'\n[access]\nanyone = true":                                                                  true,
		"[idp]\nissuer = 'https://login.microsoftonline.com/common/v2.0'\ntrust_email = true\n[access]\nanyone = true":                                                     true,
		"[idp]\nissuer = 'https://login.microsoftonline.com/common/v2.0'\n[access]\nemails = ['ana@example.com']":                                                          true,
		"[idp]\nissuer = 'https://login.microsoftonline.com/common/v2.0'\ntenants = ['9188040d-6c67-4c5b-b112-36a304b66dad']\n[access]\ngroups = ['a']":                    true,
		"[idp]\nissuer = 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0'\n[access]\ngroups = ['a']":                                          true,
		"[idp]\nissuer = 'https://login.microsoftonline.com/consumers/v2.0'\n[access]\ndomains = ['example.com']":                                                          true,
		"[idp]\nissuer = 'https://idp.example/organizations/v2.0'\n[access]\ngroups = ['a']":                                                                               true,
		"[idp]\nissuer = 'https://login.microsoftonline.com/organizations/v2.0'\n[access]\nanyone = true\n[[access.rule]]\ndomains = ['example.com']\nservers = ['files']": false,
	} {
		if _, err := config.Parse("c", []byte(text)); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestBoundsOfCalls(t *testing.T) {
	for n, good := range map[int]bool{-1: false, 0: true, 1: true, 1_000_000: true, 1_000_001: false} {
		c := config.Default()
		c.Limits.CallsPerMinute = n
		if err := c.Validate(); (err == nil) != good {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// save writes c over what is at path, whatever that is.
func save(path string, c config.Config) error {
	d, err := config.Stage(path, c)
	if err != nil {
		return err
	}
	return d.Commit()
}

// The first file there was says what it said then, by the defaults of now for what
// came later.
func TestLoadsTheFirstForm(t *testing.T) {
	got, err := config.Load("testdata/full-v1.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := full()
	want.Enterprise, want.Limits, want.Network, want.Updates, want.Servers = config.Default().Enterprise, config.Default().Limits, config.Network{}, config.Default().Updates, nil
	want.IDP.GroupsClaim, want.IDP.TrustEmail, want.IDP.Tenants = "groups", false, nil
	want.Tunnel.TrustedProxies, want.Access.Rules, want.Clients.Allowed, want.Clients.MetadataDocuments = nil, nil, nil, true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
