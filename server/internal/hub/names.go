package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Names at /mcp fit what every client takes: letters, digits, "_" and "-", at
// most 64. A mounted server's item always answers to SERVER__NAME, and to its
// own name too while that is clear.
//
// What stands before "__" holds no "__" and ends in no "_", so a prefixed name
// can be read in one way only, and no server can give its tools another
// server's names.

const (
	separator  = "__"
	maxName    = 64
	maxPrefix  = 24
	hashLength = 8
)

// prefix is what a server's items are prefixed with, without the separator.
func prefix(server string) string {
	p := fit(server, maxPrefix)
	if !strings.Contains(p, separator) && !strings.HasSuffix(p, "_") {
		return p
	}
	for strings.Contains(p, separator) {
		p = strings.ReplaceAll(p, separator, "_")
	}
	return hashed(p, server, maxPrefix)
}

// prefixed is the name that always means a server's thing.
func prefixed(server, name string) string {
	p := prefix(server) + separator
	return p + fit(name, maxName-len(p))
}

// fit returns name if every client takes it and it has at most max bytes; else
// something alike with a hash of the whole, the same each time.
func fit(name string, max int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if clean == name && len(name) <= max && name != "" {
		return name
	}
	return hashed(clean, name, max)
}

func hashed(clean, name string, max int) string {
	sum := sha256.Sum256([]byte(name))
	if room := max - hashLength - 1; len(clean) > room {
		clean = clean[:room]
	}
	return clean + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

// scheme is how a resource is listed whose URI an earlier server lists already.
const scheme = "drawbridge://s/"

func mappedURI(server, uri string) string { return scheme + server + "/" + uri }

func splitURI(uri string) (server, own string, ok bool) {
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}
