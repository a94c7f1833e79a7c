package config

import (
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

// foreignUse finds placeholders of other programs that Drawbridge doesn't fill.
var foreignUse = regexp.MustCompile(`\$\{(input|env|command|config):[^}]*\}|\$\{(workspaceFolder|workspaceFolderBasename|userHome|cwd|file)\}`)

// IsSecretName reports whether ${keychain:NAME} may name a secret so.
func IsSecretName(name string) bool { return keychainUse.MatchString("${keychain:" + name + "}") }

// Secrets returns the names of the secrets that s uses, sorted, each once.
func Secrets(s Server) []string {
	names := []string{}
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

// Expand returns value with what get returns in the place of each
// ${keychain:NAME}. What get returns is not looked at again. The error is the
// first of get's.
func Expand(value string, get func(name string) (string, error)) (string, error) {
	var first error
	out := keychainUse.ReplaceAllStringFunc(value, func(use string) string {
		secret, err := get(use[len("${keychain:") : len(use)-1])
		if err != nil && first == nil {
			first = err
		}
		return secret
	})
	if first != nil {
		return "", first
	}
	return out, nil
}

// placeholders refuses ${…} that nobody would fill in.
func (o *serverObject) placeholders(s Server) {
	check := func(key, value string, secretsToo bool) {
		at := o.node.start
		if v := o.node.member(key); v != nil {
			at = v.start
		}
		left := value
		if secretsToo {
			left = keychainUse.ReplaceAllString(value, "")
		}
		switch {
		case keychainTry.MatchString(left) && secretsToo:
			o.bad(at, key, "names a secret in a way that can't be read: write ${keychain:NAME}, NAME of letters, digits and _")
		case keychainTry.MatchString(left):
			o.bad(at, key, "can't hold ${keychain:…}: other programs on this computer could see it there. Secrets go into `env` or `headers`")
		case foreignUse.MatchString(left) && !o.foreign:
			o.bad(at, key, "holds a placeholder of another program, which Drawbridge does not fill in: write the value itself, or ${keychain:NAME} for a secret in `env` or `headers`")
		}
	}
	check("command", s.Command, false)
	check("cwd", s.Dir, false)
	for _, key := range urlNames {
		if v := o.node.member(key); v != nil {
			check(key, v.text, false)
		}
	}
	for _, arg := range s.Args {
		check("args", arg, false)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		check("env", s.Env[name], true)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		check("headers", s.Headers[name], true)
	}
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
		if v := s.Headers[name]; looksSecret(name, v) || strings.EqualFold(name, "Authorization") && !keychainUse.MatchString(v) {
			note("The header `%s` of the server `%s` looks like a secret in clear: run `drawbridge secret set %s/TOKEN`, and write ${keychain:TOKEN} in its place", quoted(name), s.Name, s.Name)
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

func looksSecret(name, value string) bool {
	if strings.TrimSpace(value) == "" || keychainUse.MatchString(value) || strings.HasPrefix(value, "${") {
		return false
	}
	named := (isSecretName(name) || strings.HasSuffix(strings.ToLower(name), "_key")) && len(value) >= 8 && !strings.ContainsAny(value[:1], "/~.")
	return named || secretLook.MatchString(value)
}

// asSecretName turns the name of a variable into one for ${keychain:…}.
func asSecretName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < 128 && (r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, name)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name[:min(len(name), 64)]
}
