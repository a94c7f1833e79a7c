package config

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// keychainUse is how a value names a secret.
var keychainUse = regexp.MustCompile(`\$\{keychain:([A-Za-z_][A-Za-z0-9_]{0,63})\}`)

// keychainTry finds what is meant so, whatever is in it.
var keychainTry = regexp.MustCompile(`(?i)\$\{\s*keychain\b`)

// IsSecretName reports whether ${keychain:NAME} may name a secret so.
func IsSecretName(name string) bool { return keychainUse.MatchString("${keychain:" + name + "}") }

// ClientSecret is the secret of the client that the owner registered at a server
// with a sign-in of its own. A client may have none.
const ClientSecret = "client_secret"

// Secrets returns the names of the secrets that s uses, sorted, each once.
func Secrets(s Server) []string {
	names := []string{}
	if s.ClientID != "" {
		names = append(names, ClientSecret)
	}
	for _, values := range []map[string]string{s.Env, s.Headers} {
		for _, v := range values {
			for _, use := range keychainUse.FindAllStringSubmatch(v, -1) {
				names = append(names, use[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// placeholders refuses ${…} that nobody would fill in. Another program's are
// left to the import, which turns some of them into ours.
func (o *serverObject) placeholders(s Server) {
	check := func(key, value string) {
		at := o.node.start
		if v := o.node.member(key); v != nil {
			at = v.start
		}
		for _, u := range parseUses(value) {
			if key == "args" && s.leaves(u) || o.foreign && !keychainTry.MatchString(u.text) {
				continue
			}
			if says := u.refusal(key); says != "" {
				o.bad(at, key, says)
				return
			}
		}
	}
	s.filled(func(key, _, value string) string {
		if key != "url" {
			check(key, value)
			return ""
		}
		for _, key := range urlNames {
			if v := o.node.member(key); v != nil {
				check(key, v.text)
			}
		}
		return ""
	})
}

// secretLook matches values that are secrets by their form: tokens of well-known
// services, JSON Web Tokens, private keys.
var secretLook = regexp.MustCompile(`^(sk-|ghp_|gho_|ghs_|github_pat_|glpat-|xox[abp]-|AKIA|AIza|hf_|npm_|lin_api_|secret_|ntn_|ya29\.|eyJ[\w-]+\.)|-----BEGIN [A-Z ]*PRIVATE KEY|(?i)^(bearer|basic|token) \S`)

// secretFlag matches arguments and query parameters that name a secret.
var secretFlag = regexp.MustCompile(`(?i)(api[-_]?key|token|secret|password|passwd)=[^&$]`)

// Notes are sentences about what s may say but had better not, such as a secret
// in clear. They hold no value.
func Notes(s Server) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if v := s.Env[name]; looksSecret(name, v) {
			note("`%s` of the server `%s` looks like a secret in clear: run `drawbridge secret set %s/%s`, and write ${keychain:%s} in its place", quoted(name), s.Name, s.Name, asSecretName(name), asSecretName(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		if v := s.Headers[name]; looksSecret(name, v) || strings.EqualFold(name, "Authorization") && !filledIn(v) {
			note("The header `%s` of the server `%s` looks like a secret in clear: run `drawbridge secret set %s/TOKEN`, and write ${keychain:TOKEN} in its place", quoted(name), s.Name, s.Name)
		}
	}
	for _, arg := range s.Args {
		for _, u := range parseUses(arg) {
			if u.kind != useText && s.leaves(u) {
				note("The arguments of the server `%s` hold %s, which is left to the program to fill in", s.Name, code(u.text))
			}
		}
	}
	for _, arg := range append([]string{s.URL}, s.Args...) {
		if secretLook.MatchString(arg) || secretFlag.MatchString(arg) {
			note("The arguments or the URL of the server `%s` seem to hold a secret: other programs on this computer can see it there. If the server takes it from a variable or a header, put it there as ${keychain:NAME}", s.Name)
			break
		}
	}
	return notes
}

// filledIn reports whether value, but for a scheme before it, comes from elsewhere.
func filledIn(value string) bool {
	_, last, _ := strings.Cut(value, " ")
	return keychainUse.MatchString(value) || strings.HasPrefix(cmp.Or(last, value), "${")
}

func looksSecret(name, value string) bool {
	if strings.TrimSpace(value) == "" || filledIn(value) {
		return false
	}
	named := (isSecretName(name) || strings.HasSuffix(strings.ToLower(name), "_key")) && len(value) >= 8 && !strings.ContainsAny(value[:1], "/~.")
	return named || secretLook.MatchString(value)
}

var notWord = regexp.MustCompile(`[^A-Za-z0-9_]`)

// asSecretName turns the name of a variable into one for ${keychain:…}.
func asSecretName(name string) string {
	name = notWord.ReplaceAllString(name, "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name[:min(len(name), 64)]
}
