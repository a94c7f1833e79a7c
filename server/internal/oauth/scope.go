package oauth

import (
	"slices"
	"strings"
)

// maxScope is how long a scope parameter may be, in characters.
const maxScope = 2000

// parseScope splits a scope parameter (RFC 6749 §3.3) and drops repetitions.
func parseScope(s string) ([]string, error) {
	if len(s) > maxScope {
		return nil, InvalidScope("the scope is longer than %d characters", maxScope)
	}
	var scopes []string
	for _, scope := range strings.Split(s, " ") {
		if scope == "" {
			continue
		}
		for _, c := range []byte(scope) {
			if c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
				return nil, InvalidScope("the scope has a character that RFC 6749 §3.3 does not allow")
			}
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// common returns those of want that have has too, in want's order. The strings
// are has's own: what is kept of a request must not keep all of it.
func common(want, has []string) []string {
	both := []string{}
	for _, s := range want {
		if i := slices.Index(has, s); i >= 0 {
			both = append(both, has[i])
		}
	}
	return both
}

// subset reports whether every one of part is in whole.
func subset(part, whole []string) bool {
	return len(common(part, whole)) == len(part)
}

// without returns those of all that taken does not have, never nil.
func without(all, taken []string) []string {
	return slices.DeleteFunc(append([]string{}, all...), func(s string) bool { return slices.Contains(taken, s) })
}

// WithoutOffline takes out offline_access, which a protected resource never
// asks for (MCP 2026-07-28, authorization, "Refresh Tokens").
func WithoutOffline(scopes []string) []string {
	return without(scopes, []string{"offline_access"})
}
