package idp

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// groups returns the groups under path, and whether the provider named any, be
// it none. Providers write them as a list of names (most), one name, a list of
// objects with a name, or an object whose members are the groups (Zitadel).
func (c claims) groups(path string) (groups []string, said bool) {
	for raw := range c.at(path) {
		if groups, said = readGroups(raw); said {
			return groups, true
		}
	}
	return nil, false
}

// at is what stands at path: the claim of that very name, then, since a claim's
// name may hold dots (https://example.com/groups), what lies below a claim whose
// name the path begins with.
func (c claims) at(path string) func(yield func(json.RawMessage) bool) {
	return func(yield func(json.RawMessage) bool) {
		if c.has(path) && !yield(c[path]) {
			return
		}
		for i := len(path) - 1; i > 0; i-- {
			if path[i] != '.' || !c.has(path[:i]) {
				continue
			}
			inner, err := parseClaims(c[path[:i]])
			if err != nil {
				continue
			}
			for raw := range inner.at(path[i+1:]) {
				if !yield(raw) {
					return
				}
			}
		}
	}
}

func readGroups(raw json.RawMessage) (groups []string, said bool) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return keepGroup(nil, one), true
	}
	var many []any
	if json.Unmarshal(raw, &many) == nil {
		for _, g := range many {
			groups = keepGroup(groups, nameOfGroup(g))
		}
		return groups, true
	}
	named, err := parseClaims(raw)
	if err != nil {
		return nil, false
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		// {"admin": {"ORG": "domain"}}; what says no is no group.
		if member := named[name]; member[0] != '{' && string(member) != "true" {
			return nil, false
		}
		groups = keepGroup(groups, name)
	}
	return groups, true
}

// nameOfGroup is the name of one of a list: a text, or an object that has one.
func nameOfGroup(g any) string {
	switch g := g.(type) {
	case string:
		return g
	case map[string]any:
		for _, name := range []string{"name", "displayName", "display_name", "display"} {
			if s, ok := g[name].(string); ok && s != "" {
				return s
			}
		}
	}
	return ""
}

// keepGroup drops names that a list could not hold: one that was cut would be
// another group's name.
func keepGroup(groups []string, g string) []string {
	if g == "" || len(g) > maxGroup || len(groups) >= maxGroups || strings.ContainsFunc(g, unicode.IsControl) || slices.Contains(groups, g) {
		return groups
	}
	return append(groups, g)
}

// overage reports whether there were too many groups to send.
func (c claims) overage(path string) bool {
	_, said := c.groups(path)
	return !said && (c.has("_claim_names") || c.truth("hasgroups"))
}

var (
	groupsLike = regexp.MustCompile(`(?i)(groups?|roles?|memberof)$`)
	plainClaim = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,128}$`)
)

// maxLike is how many claims are named that look as if they held groups.
const maxLike = 5

// likeGroups are the paths of claims that hold groups, by their name and form,
// those first that are called groups.
func (c claims) likeGroups() (paths []string) {
	var look func(c claims, before string, depth int)
	look = func(c claims, before string, depth int) {
		for name, raw := range c {
			if !plainClaim.MatchString(before + name) {
				continue
			}
			if groups, said := readGroups(raw); said && len(groups) > 0 && groupsLike.MatchString(name) {
				paths = append(paths, before+name)
			} else if inner, err := parseClaims(raw); err == nil && depth < 3 {
				look(inner, before+name+".", depth+1)
			}
		}
	}
	look(c, "", 1)
	slices.SortFunc(paths, func(a, b string) int {
		if ga, gb := strings.Contains(strings.ToLower(a), "group"), strings.Contains(strings.ToLower(b), "group"); ga != gb {
			if ga {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return paths[:min(len(paths), maxLike)]
}
