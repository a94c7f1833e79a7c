package console

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// redact takes out of a report what tells whose it is. The same value gets the
// same name each time, so that the report can still be followed. What the
// snapshot knows goes first, then whatever has the shape of an address.
func redact(report string, snap status.Snapshot) string {
	r := redactor{names: map[string]string{}, count: map[string]int{}}
	for _, k := range secretsOf(snap) {
		if len(k.value) > 2 {
			anyCase := regexp.MustCompile(`(?i)` + regexp.QuoteMeta(k.value))
			report = anyCase.ReplaceAllLiteralString(report, r.name(k.kind, k.value))
		}
	}
	for _, shape := range shapes {
		report = shape.re.ReplaceAllStringFunc(report, func(found string) string {
			groups := shape.re.FindStringSubmatch(found)
			value := groups[len(groups)-1]
			if shape.keep != nil && shape.keep(value) {
				return found
			}
			return strings.Replace(found, value, r.name(shape.kind, value), 1)
		})
	}
	return report
}

// shapes are tried in this order: an e-mail address holds a host. The last
// group is what gets another name.
var shapes = []struct {
	kind string
	re   *regexp.Regexp
	keep func(string) bool
}{
	{"person", regexp.MustCompile(`[\pL\pN._%+'-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)*`), nil},
	{"user", regexp.MustCompile(`(?:/home/|/Users/|\\Users\\)([^/\\\s"':;,]+)`), nil},
	{"groups", regexp.MustCompile(`\bgroups ([^;\n]+)`), nil},
	{"address", regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`), loopback},
	{"address", regexp.MustCompile(`\[?[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{0,4}){3,7}\]?`), nil},
	{"path", regexp.MustCompile(`https?://[^/\s]+(/oauth2/[\w-]+|/realms/[^/\s]+|/[0-9a-f-]{36}[^\s,;]*)`), func(s string) bool { return s == "/oauth2/default" }},
	{"host", regexp.MustCompile(`(?i)\b(?:[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.)+(?:xn--[a-z0-9-]+|\pL{2,24})\b`), public},
	{"id", regexp.MustCompile(`\b[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]*\b`), func(s string) bool { return len(s) < 16 }},
}

func loopback(s string) bool { return hostname.Loopback(s) || s == "0.0.0.0" }

// public tells of names that are everybody's: files, and the hosts of clients
// and of the tunnel's provider.
func public(host string) bool {
	host = hostname.Lower(host)
	if slices.Contains([]string{".log", ".toml", ".json", ".db", ".exe", ".sock", ".html", ".js"}, path.Ext(host)) {
		return true
	}
	return slices.Contains([]string{"ngrok.com", "connect.ngrok-agent.com", "claude.ai", "claude.com",
		"chatgpt.com", "www.cursor.com", "vscode.dev", "insiders.vscode.dev"}, host)
}

type redactor struct {
	names map[string]string // kind and value → what stands for it
	count map[string]int
}

func (r *redactor) name(kind, value string) string {
	key := kind + " " + strings.ToLower(value)
	if r.names[key] == "" {
		r.count[kind]++
		r.names[key] = fmt.Sprintf("[%s-%d]", kind, r.count[kind])
	}
	return r.names[key]
}

type secret struct{ kind, value string }

// secretsOf is what the snapshot knows of the person, the longest first: a host
// is part of its URL's.
func secretsOf(snap status.Snapshot) []secret {
	var list []secret
	add := func(kind string, values ...string) {
		for _, v := range values {
			list = append(list, secret{kind, v})
		}
	}
	st := snap.Status
	for _, address := range []string{st.MCPURL, st.Issuer, st.Tunnel.URL, st.IDP.Issuer} {
		if u, err := url.Parse(address); err == nil && !loopback(u.Hostname()) {
			add("host", u.Hostname())
		}
	}
	for _, s := range snap.Sessions {
		add("person", s.User.Email, s.User.Sub, s.User.Name)
		add("id", s.ID, s.Client.ID)
	}
	slices.SortStableFunc(list, func(a, b secret) int { return cmp.Compare(len(b.value), len(a.value)) })
	return list
}
