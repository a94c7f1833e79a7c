package config

import "strings"

// BuiltIn is the name under which rules know Drawbridge's own tools. No mounted
// server has it.
const BuiltIn = "drawbridge"

// maxName is the longest name of a server, in bytes.
const maxName = 64

// checkName takes what can stand in a URL's path and in a keychain's account as
// it is.
func checkName(name string) string {
	if strings.EqualFold(name, BuiltIn) {
		return "the name " + code(BuiltIn) + " is that of Drawbridge's own tools: take another, such as `my-drawbridge`"
	}
	good := GoodName(name)
	if good == name {
		return ""
	}
	return "a server's name is part of its URL, so it is made of letters, digits, \"-\", \"_\" and \".\", begins with a letter or digit and is at most 64 long: " + code(good) + " would do"
}

// GoodName is name if a server may be called so, else what comes nearest.
func GoodName(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', b.Len() > 0 && (r == '-' || r == '_' || r == '.'):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == maxName {
			break
		}
	}
	good := b.String()
	if good != name {
		good = strings.TrimRight(good, "-")
	}
	switch {
	case good == "":
		return "server"
	case strings.EqualFold(good, BuiltIn):
		return "my-" + BuiltIn
	}
	return good
}
