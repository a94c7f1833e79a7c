package idp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// A key that can't be read takes no other with it, at a sign-in and at the check
// alike, and is told where it is no fault to have it.
func TestKeysThatCantBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		key  string // beside the good one
		left string // part of what is said; "" if it is nothing to speak of
	}{
		"no kty":                       {`{"kid":"a","use":"sig","alg":"RS256"}`, "(a) has no kty"},
		"an empty kty":                 {`{"kty":""}`, "has no kty"},
		"a kty that is a number":       {`{"kty":7}`, "has no kty"},
		"an unknown kty":               {`{"kty":"AKP","alg":"ML-DSA-65","kid":"pq"}`, "(pq) is of an unknown kty"},
		"a kty in other letters":       {`{"kty":"rsa","n":"AQAB","e":"AQAB"}`, "unknown kty"},
		"null":                         {`null`, "is no object"},
		"a text":                       {`"RSA"`, "is no object"},
		"a list":                       {`[]`, "is no object"},
		"an empty object":              {`{}`, "has no kty"},
		"Gluu's empty crv":             {`{"kty":"EC","crv":"","x":"AA","y":"AA","kid":"g"}`, "(g) has no crv"},
		"no crv":                       {`{"kty":"OKP","x":"AA"}`, "has no crv"},
		"an unknown crv":               {`{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`, "can't be read"},
		"a point that is none":         {`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, "can't be read"},
		"a modulus that is none":       {`{"kty":"RSA","n":"","e":"AQAB"}`, "too short"},
		"no exponent":                  {`{"kty":"RSA","n":"AQAB"}`, "can't be read"},
		"a modulus of 24 bits":         {`{"kty":"RSA","n":"AQAB","e":"AQAB"}`, "too short"},
		"no base64":                    {`{"kty":"RSA","n":"!","e":"AQAB"}`, "can't be read"},
		"a kid that is a number":       {`{"kty":"RSA","n":"AQAB","e":"AQAB","kid":7}`, "can't be read"},
		"a private key":                {`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}`, "is a private key"},
		"a kid with a line break":      {`{"kid":"a\nb?token=x"}`, "(a b[…]) has no kty"},
		"a key for encryption":         {`{"kty":"RSA","use":"enc","n":"","e":""}`, ""},
		"a shared secret":              {`{"kty":"oct","k":"AAAA"}`, ""},
		"one of an unknown algorithm":  {`{"kty":"EC","crv":"secp256k1","alg":"ES256K","x":"AA","y":"AA"}`, "can't be read"},
		"an exponent too long to hold": {`{"kty":"RSA","n":"AQAB","e":"` + strings.Repeat("A", 40) + `"}`, "can't be read"},
	} {
		for _, before := range []bool{true, false} {
			r := newRig(t)
			good, _ := json.Marshal(jose.JSONWebKey{Key: &testKey.PublicKey, KeyID: r.f.kid})
			keys := c.key + "," + string(good)
			if !before {
				keys = string(good) + "," + c.key
			}
			r.f.handle["/jwks"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"keys":[%s]}`, keys)
			}
			if _, err := r.exchange(t); err != nil {
				t.Errorf("%s: sign-in: %v", name, err)
			}
			if err := r.Check(t.Context()); err != nil {
				t.Errorf("%s: check: %v", name, err)
			}
			left := r.LeftOut()
			if (len(left) > 0) != (c.left != "") || c.left != "" && !strings.Contains(left[0], c.left) {
				t.Errorf("%s: left out %q", name, left)
			}
		}
	}
}

// What certificates a key carries, and how, decides nothing.
func TestKeysWithCertificates(t *testing.T) {
	for name, members := range map[string]map[string]any{
		"an empty x5c":            {"x5c": []string{}},
		"an x5c of an empty text": {"x5c": []string{""}},
		"an x5c that is a text":   {"x5c": ""},
		"an x5c that is null":     {"x5c": nil},
		"an x5c that is none":     {"x5c": []string{"AAAA"}},
		"a wrong thumbprint":      {"x5t": "AAAA", "x5t#S256": "AAAA"},
		"an x5u that is a number": {"x5u": 7},
		"a member of one's own":   {"crv": "", "ext": map[string]any{"a": 1}, "key_ops": "verify"},
	} {
		r := newRig(t)
		good, _ := json.Marshal(jose.JSONWebKey{Key: &testKey.PublicKey, KeyID: r.f.kid})
		key := map[string]any{}
		_ = json.Unmarshal(good, &key)
		for member, value := range members {
			key[member] = value
		}
		r.f.handle["/jwks"] = func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, map[string]any{"keys": []any{key}}) }
		if _, err := r.exchange(t); err != nil {
			t.Errorf("%s: sign-in: %v", name, err)
		}
		if err := r.Check(t.Context()); err != nil || len(r.LeftOut()) > 0 {
			t.Errorf("%s: check: %v, left out %q", name, err, r.LeftOut())
		}
	}
}

// The check and the sign-in are of one mind about a set with nothing good in it.
func TestNoKeyCanBeRead(t *testing.T) {
	for name, body := range map[string]string{
		"unreadable alone": `{"keys":[{"kty":"EC","crv":""}]}`, "none": `{"keys":[]}`, "null": `{"keys":null}`, "no keys": `{}`, "for encryption alone": `{"keys":[{"kty":"RSA","use":"enc"}]}`,
		"no JSON": `<html>`, "a list": `[]`,
	} {
		r := newRig(t)
		r.f.handle["/jwks"] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
		wantError(t, r.Check(t.Context()), misconfigured, "no key that could verify")
		if _, err := r.exchange(t); err == nil {
			t.Errorf("%s: signed in", name)
		}
	}
}

// How long the access token lives is nothing we ask for, however it is written
// (RFC 6749 §5.1 has a number, not an integer).
func TestExpiresIn(t *testing.T) {
	for _, expires := range []any{3600, 3599.5, 1e3, 0, -1, "3600", "3599.5", "", "soon", nil, 1e300, true, []int{1}} {
		r := newRig(t)
		r.f.response["expires_in"] = expires
		up, err := r.exchange(t)
		if err != nil || up.RefreshToken != "rt-1" {
			t.Errorf("%v: %+v, %v", expires, up, err)
		}
		if up, err = r.Refresh(t.Context(), "rt-1", up.Identity); err != nil {
			t.Errorf("%v at a refresh: %v", expires, err)
		}
	}
}
