//go:build linux

package soak

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// hunter finds many secrets, in many spellings, in much text.
type hunter struct {
	first map[[8]byte][]prey // by how they begin
}

// prey is a secret in one spelling.
type prey struct{ kind, text string }

// newHunter hunts for secrets, which it is given with their kinds.
func newHunter(secrets map[string]string) *hunter {
	h := &hunter{map[[8]byte][]prey{}}
	for secret, kind := range secrets {
		for form, text := range spellings(secret) {
			if len(text) >= 12 {
				key := [8]byte([]byte(text))
				h.first[key] = append(h.first[key], prey{kind + form, text})
			}
		}
	}
	return h
}

// spellings are the ways in which a secret may be written down. Base64 has
// three, by what stands before; how it ends depends on what stands after.
func spellings(secret string) map[string]string {
	hexed := hex.EncodeToString([]byte(secret))
	all := map[string]string{"": secret, " in hex": hexed, " in HEX": strings.ToUpper(hexed)}
	if q := url.QueryEscape(secret); q != secret {
		all[" in a query"] = q
	}
	if raw, err := base64.StdEncoding.DecodeString(secret); err == nil && len(raw) == 32 {
		all[", its bytes"] = string(raw) // the data key
	}
	for before := range 3 {
		text := strings.Repeat("x", before) + secret
		text = text[:len(text)/3*3]
		for name, enc := range map[string]*base64.Encoding{" in base64": base64.RawStdEncoding, " in base64url": base64.RawURLEncoding} {
			all[fmt.Sprint(name, " ", before)] = enc.EncodeToString([]byte(text))[(before*8+5)/6:]
		}
	}
	return all
}

// find returns what is in text, each kind once and with the text before it, but
// for the kinds that are allowed.
func (h *hunter) find(text []byte, allowed ...string) (found []string) {
	told := map[string]bool{}
	for _, kind := range allowed {
		told[kind] = true
	}
	for i := 0; i+8 <= len(text); i++ {
		for _, p := range h.first[[8]byte(text[i:])] {
			if !told[p.kind] && bytes.HasPrefix(text[i:], []byte(p.text)) {
				told[p.kind] = true
				found = append(found, fmt.Sprintf("%s (%.4s…) after %q", p.kind, p.text, text[max(0, i-60):i]))
			}
		}
	}
	return found
}

// A hunter that finds nothing proves something only if it finds what is there.
func TestSoakFinds(t *testing.T) {
	const secret = "s3cr+t/which=must&never%be>>>seen???"
	h := newHunter(map[string]string{secret: "it", "another secret of theirs": "not this one"})
	for _, text := range []string{
		secret, "x" + secret + "x", url.QueryEscape(secret), hex.EncodeToString([]byte(secret)), fmt.Sprintf("%X", "user:"+secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("u:" + secret + "!")),
		base64.URLEncoding.EncodeToString([]byte("{" + secret + "}")), base64.RawURLEncoding.EncodeToString([]byte(`{"` + secret)),
	} {
		if found := h.find([]byte("some text " + text + " and more")); len(found) == 0 || !strings.HasPrefix(found[0], "it") {
			t.Errorf("in %q it found %q", text, found)
		}
	}
	if found := h.find([]byte(secret[1:] + secret[:len(secret)-1])); len(found) > 0 {
		t.Errorf("it found %q where there is nothing", found)
	}
	if found := h.find([]byte(secret), "it"); len(found) > 0 {
		t.Errorf("it found what is allowed: %q", found)
	}
}
