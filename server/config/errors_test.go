package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// refused is what a person gets told. want has a line for each problem, as
// LINE: the start of the sentence.
var refused = []struct{ name, text, want string }{
	{"a slip", "[idp]\nisuer = 'https://a.example'", "2: unknown key `isuer` in [idp]: did you mean `issuer`?"},
	{"a slip at the top", "publicurl = 'x'", "1: unknown key `publicurl`: did you mean `public_url`?"},
	{"another style", "\n\nidp.clientId = 'x'", "3: unknown key `clientId` in [idp]: did you mean `client_id`?"},
	{"swapped letters", "lsiten = 'x'", "1: unknown key `lsiten`: did you mean `listen`?"},
	{"nothing near", "colour = 'red'", "1: unknown key `colour`"},
	{"a table's slip", "[tunel]\nprovider = 'ngrok'\ndomain = 'x'", "1: unknown table [tunel]: did you mean `tunnel`?"},
	{"a table's slip, dotted", "acess.emails = []\nacess.anyone = true", "1: unknown table [acess]: did you mean `access`?"},
	{"the wrong table", "[tunnel]\nissuer = 'x'", "2: unknown key `issuer` in [tunnel]: it belongs in [idp]"},
	{"no table", "client_id = 'x'", "1: unknown key `client_id`: it belongs in [idp]"},
	{"a top key in a table", "[idp]\nlisten = '127.0.0.1:1'", "2: unknown key `listen` in [idp]: it belongs at the top of the file"},
	{"a slip in a rule", "[[access.rule]]\nserver = 'x'\nserver = 'y'", "2: unknown key `server` in [[access.rule]]: did you mean `servers`?\n3: not valid TOML: key server is already defined"},
	{"one rule as a table", "[access.rule]\ntools = ['x']", "1: rules are a list: write [[access.rule]]"},
	{"rules in one line", "access.rule = [{tools = ['x']}]", "1: rules are a list: write [[access.rule]]"},
	{"a rule without a head", "access.rule.tools = ['x']", "1: rules are a list: write [[access.rule]]"},
	{"a slip of rule", "[[access.rules]]\ntools = ['x']", "1: unknown key `rules` in [access]: did you mean `rule`?"},
	{"a rule's key at the top", "[access]\nread_only = true", "2: unknown key `read_only` in [access]: it belongs in [[access.rule]]"},
	{"an empty rule", "[[access.rule]]\ntools = ['a']\n[[access.rule]]\n", "3: [[access.rule]] is empty"},
	{"a rule for nobody", "[[access.rule]]\nemails = []", "2: `emails` in [[access.rule]] is empty"},
	{"a rule for no server", "[[access.rule]]\nservers = []", "2: `servers` in [[access.rule]] is empty"},
	{"a rule that allows nothing", "\n[[access.rule]]\ntools = []\nemails = ['ana@example.com']", "2: [[access.rule]] allows nothing"},
	{"a class in a pattern", "[[access.rule]]\ntools = ['a',\n'[rw]*']", "3: `tools` in [[access.rule]] must have one name or pattern"},
	{"a negation", "[[access.rule]]\ntools = ['!write_*']", "2: `tools` in [[access.rule]] must have one name or pattern"},
	{"an empty pattern", "[[access.rule]]\nservers = ['']", "2: `servers` in [[access.rule]] must have one name"},
	{"a pattern for a person", "[[access.rule]]\nemails = ['*@example.com']", "2: `emails` in [[access.rule]] must have one whole address"},
	{"a text for a rule's list", "[[access.rule]]\ntools = 'a'\nread_only = 'yes'", "2: `tools` in [[access.rule]] must be a list\n3: `read_only` in [[access.rule]] must be true or false"},
	{"a table in a rule", "[[access.rule]]\ntools.read = true", "2: `tools` in [[access.rule]] is a key, not a table"},
	{"the second rule's lines", "[[access.rule]]\ntools = ['a']\n[[access.rule]]\ngroups = ['']", "4: `groups` in [[access.rule]]"},
	{"too many calls", "[limits]\ncalls_per_minute = 2000000", "2: `calls_per_minute` in [limits] must be between 0"},
	{"less than no calls", "[limits]\ncalls_per_minute = -1", "2: `calls_per_minute` in [limits] must be between 0"},
	{"a text for a number", "[limits]\ncalls_per_minute = '60'", "2: `calls_per_minute` in [limits] must be a whole number"},
	{"half a call", "[limits]\ncalls_per_minute = 0.5", "2: `calls_per_minute` in [limits] must be a whole number"},
	{"a server's slip", "[server.files]\nhold_change = true", "2: unknown key `hold_change` in [server.files]: did you mean `hold_changes`?"},
	{"a secret of a server", "[server.files]\napi_key = 'hunter2'", "2: `api_key` in [server.files] looks like a secret"},
	{"servers", "[servers.files]\nask = []", "1: unknown table [servers]: did you mean `server`?"},
	{"a server without a name", "[server]\nask = ['a']", "2: each server has a table of its own: write [server.NAME]"},
	{"a list of servers", "[[server]]\nask = ['a']", "1: each server has a table of its own"},
	{"a server's name with a space", "[server.'my files']\nask = ['a']", "1: [server.my files]: a server's name is part of its URL, so it is made of letters, digits, \"-\", \"_\" and \".\", begins with a letter or digit and is at most 64 long: `my-files` would do"},
	{"Drawbridge's own name", "[server.Drawbridge]", "1: [server.Drawbridge]: the name `drawbridge` is that of"},
	{"no time for a call", "[server.files]\ntimeout = '0s'", "2: `timeout` in [server.files] must be at least \"1s\""},
	{"idle below nothing", "[server.files]\nidle = '-1s'", "2: `idle` in [server.files] must be at least \"1s\", or \"never\""},
	{"a pattern to ask for", "server.files.ask = ['a', '{b}']", "1: `ask` in [server.files] must have one name or pattern"},
	{"a list of tables", "[[idp]]\nissuer = 1\n[[idp]]", "1: [[idp]] is a list of tables: write [idp] once"},
	{"a text for a table", "idp = 'https://a.example'", "1: `idp` is a table: write [idp]"},
	{"a table for a text", "[idp.issuer]", "1: `issuer` in [idp] is a key, not a table"},
	{"a number for a text", "listen = 8000", "1: `listen` must be a text in quotes"},
	{"a text for a list", "[access]\n\nemails = 'ana@example.com'", "3: `emails` in [access] must be a list of texts in quotes"},
	{"a number in a list", "access.groups = ['a', 1]", "1: `groups` in [access] must be a list of texts in quotes"},
	{"a text for a switch", "[access]\nanyone = 'true'", "2: `anyone` in [access] must be true or false, without quotes"},
	{"seconds for a duration", "[tokens]\naccess = 1800", "2: `access` in [tokens] must be a duration in quotes"},
	{"a short life of tokens without a page", "[enterprise]\naccess = '1m'", "2: `access` in [enterprise] must be between \"5m\" and \"1h\""},
	{"a long one", "[enterprise]\naccess = '2h'", "2: `access` in [enterprise] must be between \"5m\" and \"1h\""},
	{"many tenants to trust", "[idp]\nissuer = 'https://login.microsoftonline.com/common/v2.0'\n[enterprise]\nenabled = true\nissuers = ['https://login.microsoftonline.com/common/v2.0']", "5: `issuers` in [enterprise] must name the issuer of your tenant"},
	{"a rule for no machine", "[[access.rule]]\nmachines = []", "2: `machines` in [[access.rule]] is empty"},
	{"days", "[tokens]\nrefresh = '30d'", "2: `refresh` in [tokens] must be a duration in quotes"},
	{"no time at all", "[tokens]\naccess = '0s'", "2: `access` in [tokens] must be at least \"1s\""},
	{"access longer than refresh", "[tokens]\nrefresh = '1h'\naccess = '2h'", "3: `access` in [tokens] must not be longer"},
	{"refresh shorter than the default", "[tokens]\n\nrefresh = '1m'", "3: `refresh` in [tokens] must not be shorter"},
	{"http on the internet", "public_url = 'http://a.example'", "1: `public_url` must be https://HOST"},
	{"a public path", "public_url = 'https://a.example/mcp'", "1: `public_url` must be https://HOST"},
	{"a public query", "public_url = 'https://a.example/?'", "1: `public_url` must be https://HOST"},
	{"a public fragment", "public_url = 'https://a.example/#'", "1: `public_url` must be https://HOST"},
	{"a public user", "public_url = 'https://u:p@a.example'", "1: `public_url` must be https://HOST"},
	{"no public host", "public_url = 'https://:443'", "1: `public_url` must be https://HOST"},
	{"no scheme", "public_url = 'name.ngrok.app'", "1: `public_url` must be https://HOST"},
	{"a look-alike of loopback", "public_url = 'http://127.0.0.1.example'", "1: `public_url` must be https://HOST"},
	{"an issuer in clear", "[idp]\nissuer = 'http://a.example'", "2: `issuer` in [idp] must be the https URL"},
	{"an issuer with a query", "[idp]\nissuer = 'https://a.example?x'", "2: `issuer` in [idp] must be the https URL"},
	{"no openid", "[idp]\nscopes = ['email']", "2: `scopes` in [idp] must contain \"openid\""},
	{"scopes in one text", "[idp]\nscopes = [\n 'openid',\n 'email profile']", "4: `scopes` in [idp] must have one scope in each text"},
	{"a port alone", "listen = ':8000'", "1: `listen` must be an address and a port"},
	{"no port", "listen = '127.0.0.1'", "1: `listen` must be an address and a port"},
	{"another tunnel", "[tunnel]\nprovider = 'cloudflare'", "2: `provider` in [tunnel] must be \"ngrok\" or \"none\""},
	{"a name for a proxy", "[tunnel]\ntrusted_proxies = ['10.0.0.0/8',\n'proxy.example']", "3: `trusted_proxies` in [tunnel] must have one IP address or network"},
	{"a network too wide to read", "[tunnel]\ntrusted_proxies = ['10.0.0.0/33']", "2: `trusted_proxies` in [tunnel] must have one IP address or network"},
	{"a URL for a domain", "[tunnel]\ndomain = 'https://a.ngrok.app'", "2: `domain` in [tunnel] must be a host name alone"},
	{"a name for an address", "[access]\nemails = ['a@example.com',\n'ana']", "3: `emails` in [access] must have one whole address"},
	{"two addresses in one", "[access]\nemails = ['a@example.com, b@example.com']", "2: `emails` in [access] must have one whole address"},
	{"a pattern", "[access]\ndomains = ['*']", "2: `domains` in [access] must have one domain"},
	{"an empty group", "[access]\ngroups = ['']", "2: `groups` in [access] must be a printable text"},
	{"a callback in clear", "[clients]\nredirect_uris = [\n\n'http://a.example/cb']", "4: `redirect_uris` in [clients] must have one exact URL"},
	{"a callback pattern", "clients.redirect_uris = ['https://a.example/*']", "1: `redirect_uris` in [clients] must have one exact URL"},
	{"a script", "clients.redirect_uris = ['javascript:alert(1)']", "1: `redirect_uris` in [clients] must have one exact URL"},
	{"no value", "listen =\n[idp]", "1: not valid TOML"},
	{"an open text", "listen = '127.0.0.1:1'\npublic_url = \"x", "2: not valid TOML"},
	{"a key twice", "[idp]\nissuer = 'https://a.example'\nissuer = 'https://b.example'", "3: not valid TOML: key issuer is already defined"},
	{"a table twice", "[idp]\n[access]\n[idp]", "3: not valid TOML: table idp already exists"},
	{"no UTF-8", "listen = '\xff'", "1: not valid TOML"},
	{"a secret", "[idp]\nclient_secret = 'hunter2'", "2: `client_secret` in [idp] looks like a secret, and this file holds none"},
	{"a secret at the top", "ngrok_authtoken = 'hunter2'", "1: `ngrok_authtoken` looks like a secret"},
	{"a secret in a table of its own", "[ngrok]\nauthtoken = 'hunter2'", "1: unknown table [ngrok]"},
	{"a dotted secret", "ngrok.authtoken = 'hunter2'", "1: `authtoken` in [ngrok] looks like a secret"},
	{"a secret without quotes", "[idp]\nclient_secret = hunter2", "2: this line looks like a secret"},
	{"a secret in another key", "[idp]\nissuer = 'hunter2'\nscopes = 'hunter2'\n[clients]\nredirect_uris = ['hunter2']\nregistration = 'hunter2'\n[tokens]\naccess = 'hunter2'",
		"2: `issuer`\n3: `scopes`\n5: `redirect_uris`\n6: `registration`\n8: `access`"},
	{"everything at once", "lissten = 1\nlisten = 'x'\n[idp]\nissuer = 'x'\nfoo = 1\n[access]\nanyone = 1\n[tokens\n",
		"1: unknown key `lissten`\n2: `listen` must\n4: `issuer`\n5: unknown key `foo` in [idp]\n7: `anyone`\n8: not valid TOML"},
	{"a domain for a tenant", "[idp]\ntenants = ['9188040d-6c67-4c5b-b112-36a304b66dad',\n'contoso.com']", "3: `tenants` in [idp] must have one tenant ID"},
	{"groups of every organisation", "[idp]\nissuer = 'https://login.microsoftonline.com/organizations/v2.0'\n[access]\ngroups = ['engineering']", "1: `tenants` in [idp] must name the tenants"},
	{"domains of every organisation", "[access]\ndomains = ['example.com']\n[idp]\nissuer = 'https://login.microsoftonline.us/common/v2.0'\ntenants = []", "5: `tenants` in [idp] must name the tenants"},
	{"a rule's groups of every organisation", "idp.issuer = 'https://login.partner.microsoftonline.cn/common/v2.0'\naccess.anyone = true\n[[access.rule]]\ngroups = ['a']", "1: `tenants` in [idp] must name the tenants"},
	{"trusted addresses of every organisation", "[idp]\nissuer = 'https://login.microsoftonline.com/common/v2.0'\ntrust_email = true\n[access]\nemails = ['ana@example.com']", "1: `tenants` in [idp] must name the tenants"},
	{"a domain with the Kelvin sign", "[access]\ndomains = ['\u212araken.io']", "2: `domains` in [access] must have a domain of the letters a to z"},
	{"a domain with other letters", "[[access.rule]]\ndomains = ['b\u00fccher.example']", "2: `domains` in [[access.rule]] must have a domain of the letters a to z"},
	{"an address with the Kelvin sign", "[access]\nemails = ['eve@\u212araken.io']", "2: `emails` in [access] must have a domain of the letters a to z"},
	{"a proxy's password", "[network]\nproxy = 'http://ana:hunter2@proxy.example:8080'", "2: `proxy` in [network] must not hold a password"},
	{"a proxy's empty password", "[network]\nproxy = 'http://ana:@proxy.example:8080'", "2: `proxy` in [network] must not hold a password"},
	{"a proxy without a scheme", "[network]\nproxy = 'proxy.example:8080'", "2: `proxy` in [network] must be the URL of a proxy"},
	{"a proxy's path", "[network]\nproxy = 'http://proxy.example/x'", "2: `proxy` in [network] must be the URL of a proxy"},
	{"a proxy's zero port", "[network]\nproxy = 'http://proxy.example:080'", "2: `proxy` in [network] must be the URL of a proxy"},
	{"a script for a proxy", "[network]\nproxy = 'http://proxy.example/proxy.pac?x'", "2: `proxy` in [network] must be the URL of a proxy"},
	{"two hosts in one", "[network]\nno_proxy = ['10.0.0.0/8', 'a.example,b.example']", "2: `no_proxy` in [network] must have one host"},
	{"a URL that needs no proxy", "[network]\nno_proxy = ['https://a.example']", "2: `no_proxy` in [network] must have one host"},
	{"no time to start", "[server.files]\nstart = '0.5s'", "2: `start` in [server.files] must be at least \"1s\""},
	{"a text for shared", "[server.files]\nshared = 'yes'", "2: `shared` in [server.files] must be true or false"},
	{"an unprintable key", "\"a\\u001b[31m\" = 1", "1: unknown key `a\\x1b[31m`"},
}

func TestRefuses(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("dir/config.toml", []byte(c.text))
			if err == nil {
				t.Fatal("it was taken")
			}
			got := strings.Split(err.Error(), "\n")
			want := strings.Split(c.want, "\n")
			if len(got) != len(want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(got), len(want), err)
			}
			for i := range want {
				if !strings.HasPrefix(got[i], "dir/config.toml:"+want[i]) {
					t.Errorf("got  %s\nwant %s", got[i], want[i])
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the value is shown: %v", err)
			}
		})
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := config.Parse("c", []byte("[access]\nemails = ['a@example.com', 'ana']\n  colour = 1"))
	var got []string
	for _, e := range config.Errors(fmt.Errorf("wrapped: %w", err)) {
		got = append(got, fmt.Sprintf("%s %d:%d %s", e.File, e.Line, e.Column, e.Key))
	}
	if want := "c 2:28 access.emails[1],c 3:3 access.colour"; strings.Join(got, ",") != want {
		t.Errorf("got %v", got)
	}
	c := config.Default()
	c.Listen = "x"
	if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "`listen` must be an address") {
		t.Errorf("without a file: %v", err)
	}
}

// A third of the letters may be wrong, and three at the most; two that changed
// places are one mistake.
func TestNearest(t *testing.T) {
	for _, c := range []struct {
		word  string
		names []string
		want  string
	}{
		{"lst", []string{"set", "list"}, "list"},
		{"abc", []string{"axy"}, ""},
		{"bac", []string{"abc"}, "abc"},
		{"badc", []string{"abcd"}, ""},
		{"abcdef", []string{"abcdxy"}, "abcdxy"},
		{"abcdef", []string{"abcxyz"}, ""},
		{"abcdefghijkl", []string{"abcdefghixyz"}, "abcdefghixyz"},
		{"abcdefghijkl", []string{"abcdefghwxyz"}, ""},
		{"abz", []string{"abx", "aby"}, "abx"},
		{"PublicURL", []string{"public_url"}, "public_url"},
		{"", []string{"a"}, ""},
	} {
		if got := config.Nearest(c.word, c.names); got != c.want {
			t.Errorf("%q among %q: %q, want %q", c.word, c.names, got, c.want)
		}
	}
}
