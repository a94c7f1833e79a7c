package serverauth

import (
	"regexp"
	"strings"
)

// maxChallenge bounds what is read of the header, in bytes.
const maxChallenge = 8 << 10

// challengePart is a parameter, or a word that begins a challenge. The words are
// tokens (RFC 9110 §5.6.2) and what token68 has besides.
var challengePart = regexp.MustCompile("([\\w!#$%&'*+.^`|~/-]+)(?:[ \t]*(=)[ \t]*(?:\"((?:[^\"\\\\]|\\\\.)*)\"?|([\\w!#$%&'*+.^`|~/-]*)))?")

var quotedPair = regexp.MustCompile(`\\(.)`)

// Challenges reads the values of WWW-Authenticate (RFC 9110 §11.6.1): the
// parameters of each scheme, all names in lower case. What can't be read is passed
// over.
func Challenges(values []string) map[string]map[string]string {
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
