package idp

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// What a provider may say of one person. More than that is cut: it would be
// stored, sealed and sent around with each grant.
const (
	maxSubject = 255 // OpenID Connect Core 1.0 §2
	maxText    = 254 // characters of a name, bytes of an address (RFC 5321 §4.5.3.1)
	maxGroups  = 1000
	maxGroup   = 256 // bytes
)

// claims are those of an ID token or of userinfo, by their exact names. A claim
// that is null counts as absent. Providers differ in the types of claims, so
// each is read leniently, and one that can't be read counts as absent.
type claims map[string]json.RawMessage

func parseClaims(payload []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, err
	}
	for name, raw := range c {
		if string(raw) == "null" {
			delete(c, name)
		}
	}
	return c, nil
}

func (c claims) has(name string) bool { return c[name] != nil }

// text returns a claim that is a string, on one line and cut to a bearable
// length, else "".
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText])
	}
	return strings.TrimSpace(s)
}

// truth reports whether a claim is true, "true", 1 or "1".
func (c claims) truth(name string) bool {
	s := strings.Trim(string(c[name]), `"`)
	return s == "true" || s == "1"
}

// email returns the address, or "" if it isn't shaped like one.
func (c claims) email() string {
	var s string
	if json.Unmarshal(c["email"], &s) != nil || len(s) > maxText {
		return ""
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}) {
		return ""
	}
	return s
}

// groups returns the groups, from an array or a single string, and whether the
// claim is there at all.
func (c claims) groups() (groups []string, said bool) {
	raw, said := c["groups"]
	if !said {
		return nil, false
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return keepGroup(nil, one), true
	}
	var many []any
	if json.Unmarshal(raw, &many) != nil {
		return nil, false
	}
	for _, g := range many {
		if s, ok := g.(string); ok && len(groups) < maxGroups {
			groups = keepGroup(groups, s)
		}
	}
	return groups, true
}

// keepGroup drops names that a list could not hold: one that was cut would be
// another group's name.
func keepGroup(groups []string, g string) []string {
	if g == "" || len(g) > maxGroup || strings.ContainsFunc(g, unicode.IsControl) || slices.Contains(groups, g) {
		return groups
	}
	return append(groups, g)
}

// vouches reports whether the provider says that the address in c is proven.
func (p *profile) vouches(c claims) bool {
	if p.verified != nil {
		return p.verified(c)
	}
	return c.truth("email_verified")
}

// thin reports whether c lacks something that access rules look at and that
// userinfo could hold.
func (p *profile) thin(c claims) bool {
	_, groups := c.groups()
	return c.email() == "" || p.verified == nil && !c.has("email_verified") || !groups && !p.noUserGroups
}

// fill adds what c lacks from userinfo. An address and its proof come from the
// same place, or one would vouch for the other's.
func (c claims) fill(info claims) claims {
	full := claims{}
	for _, name := range []string{"name", "preferred_username", "groups", "hd"} {
		if info.has(name) {
			full[name] = info[name]
		}
	}
	for name, raw := range c {
		full[name] = raw
	}
	proofs := []string{"email_verified", "xms_edov"}
	switch {
	case c.email() == "":
		for _, name := range append(proofs, "email") {
			delete(full, name)
			if info.has(name) {
				full[name] = info[name]
			}
		}
	case c.email() == info.email():
		for _, name := range proofs {
			if !c.has(name) && info.has(name) {
				full[name] = info[name]
			}
		}
	}
	return full
}

// identity is the person that c describes.
func (p *profile) identity(issuer, subject string, c claims) oauth.Identity {
	id := oauth.Identity{Issuer: issuer, Subject: subject, Email: c.email(), Name: c.text("name")}
	id.EmailVerified = id.Email != "" && p.vouches(c)
	id.Groups, _ = c.groups()
	if id.Name == "" {
		id.Name = c.text("preferred_username")
	}
	switch {
	case p.domain != "":
		id.Domain = strings.ToLower(c.text(p.domain))
	case id.EmailVerified:
		id.Domain = strings.ToLower(id.Email[strings.LastIndexByte(id.Email, '@')+1:])
	}
	return id
}
