package mount

import "strings"

// challenge is one of WWW-Authenticate (RFC 9110 §11.6.1).
type challenge struct {
	scheme string            // lower case
	params map[string]string // names in lower case
}

// maxChallenge bounds what is read of the header, in bytes.
const maxChallenge = 8 << 10

// parseChallenges reads the values of WWW-Authenticate. What can't be read is
// passed over.
func parseChallenges(values []string) []challenge {
	var found []challenge
	for _, v := range values {
		p := &challengeParser{rest: v[:min(len(v), maxChallenge)]}
		found = append(found, p.all()...)
	}
	return found
}

type challengeParser struct{ rest string }

func (p *challengeParser) all() []challenge {
	var found []challenge
	for p.rest != "" {
		p.skip(" \t,")
		word := p.token()
		if word == "" {
			if p.rest != "" {
				p.rest = p.rest[1:] // what this is nobody knows
			}
			continue
		}
		p.skip(" \t")
		if len(found) > 0 && strings.HasPrefix(p.rest, "=") {
			p.rest = p.rest[1:]
			p.skip(" \t")
			found[len(found)-1].params[strings.ToLower(word)] = p.value()
			continue
		}
		found = append(found, challenge{scheme: strings.ToLower(word), params: make(map[string]string)})
	}
	return found
}

func (p *challengeParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

// token is RFC 9110 §5.6.2, and the characters of token68 besides.
func (p *challengeParser) token() string {
	n := 0
	for n < len(p.rest) && isTokenByte(p.rest[n]) {
		n++
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

func (p *challengeParser) value() string {
	if !strings.HasPrefix(p.rest, `"`) {
		return p.token()
	}
	var b strings.Builder
	i := 1
	for ; i < len(p.rest) && p.rest[i] != '"'; i++ {
		if p.rest[i] == '\\' && i+1 < len(p.rest) {
			i++
		}
		b.WriteByte(p.rest[i])
	}
	p.rest = p.rest[min(i+1, len(p.rest)):]
	return b.String()
}

func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~/", c) >= 0
}

// refused says what to do about a 401 or 403.
func refused(status int, values []string) string {
	schemes := make(map[string]map[string]string)
	for _, c := range parseChallenges(values) {
		schemes[c.scheme] = c.params
	}
	bearer, basic := schemes["bearer"], schemes["basic"]
	switch {
	case bearer["error"] == "insufficient_scope":
		return "refused its token, which allows too little. Set an Authorization header that allows more in mcp.json."
	case bearer["resource_metadata"] != "":
		return "needs its own sign-in, which Drawbridge can't do for it. Make a token there, and set it as an Authorization header in mcp.json."
	case bearer == nil && basic != nil:
		return "needs a user name and a password. Set them as an Authorization header in mcp.json."
	case status == 403:
		return "refused the request (403). Check the headers of the server in mcp.json."
	}
	return "needs its own sign-in (401). Set an Authorization header in mcp.json."
}
