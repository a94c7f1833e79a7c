package config

import (
	"regexp"
	"strings"
)

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

var notInNames = regexp.MustCompile(`-?[^A-Za-z0-9._-]+`)

// GoodName is name if a server may be called so, else what comes nearest.
func GoodName(name string) string {
	good := strings.TrimLeft(notInNames.ReplaceAllString(name, "-"), "-_.")
	good = good[:min(len(good), maxName)]
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
