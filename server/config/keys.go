package config

import (
	"strings"
	"time"
)

// keys is every key of config.toml and where its value goes. A path has the
// table, if any, and the name.
var keys = map[string]func(*Config, value) string{
	"public_url":             text(func(c *Config) *string { return &c.PublicURL }),
	"listen":                 text(func(c *Config) *string { return &c.Listen }),
	"idp.issuer":             text(func(c *Config) *string { return &c.IDP.Issuer }),
	"idp.client_id":          text(func(c *Config) *string { return &c.IDP.ClientID }),
	"idp.scopes":             list(func(c *Config) *[]string { return &c.IDP.Scopes }),
	"idp.audience":           text(func(c *Config) *string { return &c.IDP.Audience }),
	"tunnel.provider":        text(func(c *Config) *string { return &c.Tunnel.Provider }),
	"tunnel.domain":          text(func(c *Config) *string { return &c.Tunnel.Domain }),
	"tunnel.connect_url":     text(func(c *Config) *string { return &c.Tunnel.ConnectURL }),
	"tunnel.connect_cas":     text(func(c *Config) *string { return &c.Tunnel.ConnectCAs }),
	"tunnel.trusted_proxies": list(func(c *Config) *[]string { return &c.Tunnel.TrustedProxies }),
	"access.emails":          list(func(c *Config) *[]string { return &c.Access.Emails }),
	"access.domains":         list(func(c *Config) *[]string { return &c.Access.Domains }),
	"access.groups":          list(func(c *Config) *[]string { return &c.Access.Groups }),
	"access.anyone":          yesNo(func(c *Config) *bool { return &c.Access.Anyone }),
	"clients.redirect_uris":  list(func(c *Config) *[]string { return &c.Clients.RedirectURIs }),
	"clients.registration":   yesNo(func(c *Config) *bool { return &c.Clients.Registration }),
	"tokens.access":          duration(func(c *Config) *time.Duration { return &c.Tokens.Access }),
	"tokens.refresh":         duration(func(c *Config) *time.Duration { return &c.Tokens.Refresh }),
	"tools.echo":             yesNo(func(c *Config) *bool { return &c.Tools.Echo }),
	"tools.add":              yesNo(func(c *Config) *bool { return &c.Tools.Add }),
	"tools.whoami":           yesNo(func(c *Config) *bool { return &c.Tools.Whoami }),
}

// Each of these returns what puts a value into its field, or says what the
// value must be instead.

func text(field func(*Config) *string) func(*Config, value) string {
	return func(c *Config, v value) string {
		if v.kind != kindText {
			return `must be a text in quotes`
		}
		*field(c) = v.text
		return ""
	}
}

func yesNo(field func(*Config) *bool) func(*Config, value) string {
	return func(c *Config, v value) string {
		if v.kind != kindBool {
			return "must be true or false, without quotes"
		}
		*field(c) = v.yes
		return ""
	}
}

func list(field func(*Config) *[]string) func(*Config, value) string {
	return func(c *Config, v value) string {
		const says = `must be a list of texts in quotes, such as ["one", "two"]`
		if v.kind != kindList {
			return says
		}
		all := []string{}
		for _, item := range v.items {
			if item.kind != kindText {
				return says
			}
			all = append(all, item.text)
		}
		*field(c) = all
		return ""
	}
}

func duration(field func(*Config) *time.Duration) func(*Config, value) string {
	return func(c *Config, v value) string {
		const says = `must be a duration in quotes, such as "90s", "30m" or "720h"`
		if v.kind != kindText {
			return says
		}
		d, err := time.ParseDuration(v.text)
		if err != nil {
			return says
		}
		*field(c) = d
		return ""
	}
}

// isTable reports whether path is a table of config.toml.
func isTable(path string) bool {
	for key := range keys {
		if strings.HasPrefix(key, path+".") {
			return true
		}
	}
	return false
}

// names returns what table may hold: at the top, tables as well.
func names(table string) []string {
	seen := map[string]bool{}
	var all []string
	for key := range keys {
		name := key
		if table != "" {
			rest, ok := strings.CutPrefix(key, table+".")
			if !ok {
				continue
			}
			name = rest
		}
		name, _, _ = strings.Cut(name, ".")
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// secretNames are parts of keys under which people paste secrets.
var secretNames = []string{"secret", "password", "passwd", "token", "apikey", "privatekey", "datakey", "credential"}

func isSecretName(name string) bool {
	plain := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
	for _, s := range secretNames {
		if strings.Contains(plain, s) {
			return true
		}
	}
	return false
}
