package idp

import (
	"encoding/json"
	"maps"
	"strings"
	"unicode"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
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

func parseClaims(payload []byte) (c claims, err error) {
	err = json.Unmarshal(payload, &c)
	return c, err
}

// UnmarshalJSON leaves out what is null.
func (c *claims) UnmarshalJSON(payload []byte) error {
	var all map[string]json.RawMessage
	err := json.Unmarshal(payload, &all)
	maps.DeleteFunc(all, func(_ string, raw json.RawMessage) bool { return string(raw) == "null" })
	*c = all
	return err
}

func (c claims) has(name string) bool { return c[name] != nil }

// text returns a claim that is a string, on one line and cut to a bearable
// length, else "".
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return shortLine(s)
}

func shortLine(s string) string {
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

// reader is how the claims of one provider are read.
type reader struct {
	*profile
	groupsClaim string // a claim, or a path of claims
	trustEmail  bool   // an address counts though nothing says whether it is verified
}

// vouches reports whether the provider says that the address in c is proven.
// What it denies, nothing else can grant.
func (r reader) vouches(c claims) bool {
	return c.truth(r.proof()) || r.trustEmail && !c.has(r.proof())
}

// proof is the claim that says whether the address is verified.
func (p *profile) proof() string {
	if p.verified != "" {
		return p.verified
	}
	return "email_verified"
}

// thin reports whether c lacks something that access rules look at and that
// userinfo could hold.
func (r reader) thin(c claims) bool {
	_, groups := c.groups(r.groupsClaim)
	return c.email() == "" || r.verified == "" && !c.has("email_verified") || !groups && !r.noUserGroups
}

// fill adds what c lacks from userinfo. An address and its proof come from the
// same place, or one would vouch for the other's.
func (r reader) fill(c, info claims) claims {
	full := claims{}
	for _, name := range []string{"name", "preferred_username", "hd"} {
		if info.has(name) {
			full[name] = info[name]
		}
	}
	maps.Copy(full, c)
	if _, said := c.groups(r.groupsClaim); !said {
		for name := range info {
			if name == r.groupsClaim || strings.HasPrefix(r.groupsClaim, name+".") {
				full[name] = info[name]
			}
		}
		for _, path := range info.likeGroups() { // for the sentence that says where they are
			if name, _, _ := strings.Cut(path, "."); !c.has(name) && info.has(name) {
				full[name] = info[name]
			}
		}
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
func (r reader) identity(issuer, subject string, c claims) oauth.Identity {
	id := oauth.Identity{Issuer: issuer, Subject: subject, Email: c.email(), Name: c.text("name")}
	id.EmailVerified = id.Email != "" && r.vouches(c)
	id.Unsaid.Verified = id.Email != "" && !c.has(r.proof())
	var said bool
	if id.Groups, said = c.groups(r.groupsClaim); !said {
		id.Unsaid.Groups, id.Unsaid.Overage, id.Unsaid.GroupsIn, id.Unsaid.Cure = true, c.overage(r.groupsClaim), c.likeGroups(), r.groupsCure
	}
	if id.Name == "" {
		id.Name = c.text("preferred_username")
	}
	switch {
	case r.domain != "":
		id.Domain = hostname.DomainOf("x@" + c.text(r.domain))
	case id.EmailVerified:
		id.Domain = hostname.DomainOf(id.Email)
	}
	return id
}
