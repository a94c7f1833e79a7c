package config

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxGlob bounds a pattern, in bytes.
const maxGlob = 256

// Match reports whether all of s fits pattern: "*" stands for any text, also
// none, "?" for one byte, everything else for itself. Its time grows at worst
// with len(s) times len(pattern), whatever they hold.
func Match(pattern, s string) bool {
	star, from := -1, 0 // the last "*" passed, and where in s its text ends
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0: // the last "*" takes one byte more; no earlier one need
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// MatchAny reports whether one of patterns fits s.
func MatchAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Match(p, s) })
}

// PatternFor is a pattern that fits name, and only names of its length that look
// like it: what a pattern may not hold, or would mean otherwise, is a "?".
func PatternFor(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case b.Len() == maxGlob-1 || b.Len()+utf8.RuneLen(r) >= maxGlob:
			return b.String() + "*"
		case r == utf8.RuneError || r == '*' || notVisible(r) || strings.ContainsRune(`[]{}\`, r) || i == 0 && (r == '!' || r == '^'):
			_, size := utf8.DecodeRuneInString(name[i:])
			b.WriteString(strings.Repeat("?", size))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// checkGlob takes what [Match] reads. What other programs read as a pattern is
// refused: a rule that means something else than was written is a hole.
func checkGlob(s string) string {
	switch {
	case s == "" || len(s) > maxGlob || strings.ContainsFunc(s, notVisible):
		return "must have one name in each text, such as \"read_*\", without spaces and at most 256 letters long"
	case strings.ContainsAny(s, `[]{}\`) || s[0] == '!' || s[0] == '^':
		return "must have one name or pattern in each text: \"*\" stands for any letters, \"?\" for one, and nothing else is a pattern"
	}
	return ""
}
