package config

import (
	"strconv"
	"strings"
	"time"
)

// A setter puts a value into its field of T, or says what the value must be
// instead.
type setter[T any] func(*T, value) string

// keys is every key of config.toml and where its value goes, apart from those
// of rules and servers, which come several times. A path has the table, if
// any, and the name.
var keys = map[string]setter[Config]{
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
	"clients.allowed":        list(func(c *Config) *[]string { return &c.Clients.Allowed }),
	"clients.registration":   yesNo(func(c *Config) *bool { return &c.Clients.Registration }),
	"tokens.access":          duration(func(c *Config) *time.Duration { return &c.Tokens.Access }),
	"tokens.refresh":         duration(func(c *Config) *time.Duration { return &c.Tokens.Refresh }),
	"tools.echo":             yesNo(func(c *Config) *bool { return &c.Tools.Echo }),
	"tools.add":              yesNo(func(c *Config) *bool { return &c.Tools.Add }),
	"tools.whoami":           yesNo(func(c *Config) *bool { return &c.Tools.Whoami }),

	"limits.calls_per_minute": number(func(c *Config) *int { return &c.Limits.CallsPerMinute }),
}

// ruleKeys is every key of [[access.rule]].
var ruleKeys = map[string]setter[Rule]{
	"emails":    list(func(r *Rule) *[]string { return &r.Emails }),
	"domains":   list(func(r *Rule) *[]string { return &r.Domains }),
	"groups":    list(func(r *Rule) *[]string { return &r.Groups }),
	"servers":   list(func(r *Rule) *[]string { return &r.Servers }),
	"tools":     list(func(r *Rule) *[]string { return &r.Tools }),
	"prompts":   list(func(r *Rule) *[]string { return &r.Prompts }),
	"resources": list(func(r *Rule) *[]string { return &r.Resources }),
	"read_only": yesNo(func(r *Rule) *bool { return &r.ReadOnly }),
}

// serverKeys is every key of [server.NAME].
var serverKeys = map[string]setter[ServerSettings]{
	"ask":          list(func(s *ServerSettings) *[]string { return &s.Ask }),
	"hold_changes": yesNo(func(s *ServerSettings) *bool { return &s.HoldChanges }),
	"timeout":      positive(func(s *ServerSettings) *time.Duration { return &s.Timeout }),
	"idle":         positiveOrNever(func(s *ServerSettings) *time.Duration { return &s.Idle }),
}

func text[T any](field func(*T) *string) setter[T] {
	return func(c *T, v value) string {
		if v.kind != kindText {
			return `must be a text in quotes`
		}
		*field(c) = v.text
		return ""
	}
}

func yesNo[T any](field func(*T) *bool) setter[T] {
	return func(c *T, v value) string {
		if v.kind != kindBool {
			return "must be true or false, without quotes"
		}
		*field(c) = v.yes
		return ""
	}
}

func list[T any](field func(*T) *[]string) setter[T] {
	return func(c *T, v value) string {
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

func duration[T any](field func(*T) *time.Duration) setter[T] {
	return func(c *T, v value) string {
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

// positive takes durations of a second and more: 0 in the field stands for the
// usual.
func positive[T any](field func(*T) *time.Duration) setter[T] {
	set := duration(field)
	return func(c *T, v value) string {
		if says := set(c, v); says != "" {
			return says
		}
		if *field(c) < time.Second {
			*field(c) = 0
			return shortDuration
		}
		return ""
	}
}

const shortDuration = `must be at least "1s"`

// never is a time that does not come.
const never = -1

// positiveOrNever takes "never" as well.
func positiveOrNever[T any](field func(*T) *time.Duration) setter[T] {
	set := positive(field)
	return func(c *T, v value) string {
		if v.kind == kindText && v.text == "never" {
			*field(c) = never
			return ""
		}
		if says := set(c, v); says != "" {
			return says + `, or "never"`
		}
		return ""
	}
}

func number[T any](field func(*T) *int) setter[T] {
	return func(c *T, v value) string {
		n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 0, 32)
		if v.kind != kindNumber || err != nil {
			return "must be a whole number, without quotes"
		}
		*field(c) = int(n)
		return ""
	}
}

// isTable reports whether path is a table of config.toml.
func isTable(path string) bool {
	if path == serverTable || path == ruleTable {
		return true
	}
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
	switch table {
	case "":
		all = append(all, serverTable)
	case "access":
		all = append(all, "rule")
	}
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
