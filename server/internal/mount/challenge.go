package mount

import (
	"regexp"
	"strings"
)

// maxChallenge bounds what is read of the header, in bytes.
const maxChallenge = 8 << 10

// challengePart is a parameter, or a word that begins a challenge. The words are
// tokens (RFC 9110 §5.6.2) and what token68 has besides.
var challengePart = regexp.MustCompile("([\\w!#$%&'*+./^`|~-]+)(?:[ \t]*(=)[ \t]*(?:\"((?:[^\"\\\\]|\\\\.)*)\"?|([\\w!#$%&'*+./^`|~-]*)))?")

var quotedPair = regexp.MustCompile(`\\(.)`)

// parseChallenges reads the values of WWW-Authenticate (RFC 9110 §11.6.1): the
// parameters of each scheme, all names in lower case. What can't be read is passed
// over.
func parseChallenges(values []string) map[string]map[string]string {
	found := make(map[string]map[string]string)
	for _, v := range values {
		var params map[string]string
		for _, m := range challengePart.FindAllStringSubmatch(v[:min(len(v), maxChallenge)], -1) {
			word := strings.ToLower(m[1])
			if m[2] == "" || params == nil {
				params = make(map[string]string)
				found[word] = params
				continue
			}
			params[word] = quotedPair.ReplaceAllString(m[3], "$1") + m[4]
		}
	}
	return found
}

// refused says what to do about a 401 or 403.
func refused(status int, values []string) string {
	schemes := parseChallenges(values)
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
