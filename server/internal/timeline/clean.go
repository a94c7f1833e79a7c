package timeline

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// tokenLike is a run of characters as secrets have, and names don't.
var tokenLike = regexp.MustCompile(`[A-Za-z0-9_~+=-]{24,}`)

// plain makes text that an outsider may have chosen fit to be kept and shown.
func plain(s string, max int) string {
	return strings.TrimSpace(status.Clean(tokenLike.ReplaceAllString(s, "…"), max))
}

// cleanAgent makes a User-Agent header fit to be shown.
func cleanAgent(s string) string {
	return plain(s[:min(len(s), 400)], 100)
}

// cleanURL is scheme, host and path of an address, without what may hold a
// secret.
func cleanURL(s string) string {
	s = s[:min(len(s), 2000)]
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return plain(s[:min(len(s), strings.IndexAny(s+"?", "?#"))], 120)
	}
	return status.Clean(u.Scheme+"://"+u.Host+tokenLike.ReplaceAllString(u.EscapedPath(), "…"), 160)
}

// cleanRedirect is a redirect URI as it would have to be allowed, byte for
// byte: whole or not at all.
func cleanRedirect(s string) string {
	u, err := url.Parse(s)
	if err != nil || len(s) > 200 || u.User != nil || strings.ContainsAny(s, "?#") || tokenLike.MatchString(u.Path) || status.Clean(s, 200) != s {
		return ""
	}
	return s
}

// args are the words of a step, cleaned.
func (s seen) args() map[string]string {
	args := map[string]string{}
	for name, value := range map[string]string{
		"client": status.Clean(s.Client, 80), "user": status.Clean(s.User, 254), "host": status.Clean(s.Host, 100), "redirect_uri": cleanRedirect(s.Redirect),
		"groups": status.Clean(strings.Join(s.Groups[:min(len(s.Groups), 8)], ", "), 200), "resource": cleanURL(s.Resource),
		"reason": status.Clean(s.Reason, 300), "path": status.Clean(s.Path, 80), "version": plain(s.Version, 32), "method": plain(s.Method, 40),
	} {
		if value != "" {
			args[name] = value
		}
	}
	if len(args) == 0 {
		return nil
	}
	return args
}
