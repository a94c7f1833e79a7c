package idp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestIDTokenChecks(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	claim := func(name string, value any) func(*faulty) {
		return func(f *faulty) { f.claims[name] = value }
	}
	without := func(name string) func(*faulty) { return func(f *faulty) { delete(f.claims, name) } }
	sign := func(how func(claims any) string) func(*faulty) { return func(f *faulty) { f.sign = how } }
	half := sha256.Sum256([]byte("opaque"))
	for _, c := range []struct {
		name  string
		spoil func(*faulty)
		kind  oauth.ProviderErrorKind
		says  string // "": it is accepted
	}{
		// OpenID Connect Core 1.0 §3.1.3.7, in its order.
		{"it handles a good token", func(*faulty) {}, 0, ""},
		{"it handles another issuer", claim("iss", "https://evil.example"), misconfigured, "another issuer"},
		{"it handles another audience", claim("aud", "somebody-else"), misconfigured, "another client"},
		{"it handles several audiences", func(f *faulty) { f.claims["aud"] = []string{"x", clientID}; f.claims["azp"] = clientID }, 0, ""},
		{"it handles several audiences without azp", claim("aud", []string{"x", clientID}), misconfigured, "another client"},
		{"it handles another azp", claim("azp", "x"), misconfigured, "another client"},
		{"it handles no audience", without("aud"), misconfigured, "another client"},
		{"it handles another key", sign(func(c any) string { return signJWT(jose.RS256, other, "1", c) }), misconfigured, "signature"},
		{"it handles alg none", sign(unsigned), misconfigured, "not signed by a key of the provider"},
		{"it handles HS256 under the client secret", sign(func(c any) string { return signJWT(jose.HS256, []byte(strings.Repeat(clientSecret, 2)), "1", c) }), misconfigured, "not signed by a key of the provider"},
		{"it handles HS256 under the public key", sign(func(c any) string {
			der, _ := x509.MarshalPKIXPublicKey(&testKey.PublicKey)
			return signJWT(jose.HS256, der, "1", c)
		}), misconfigured, "not signed by a key of the provider"},
		{"it handles an algorithm not announced", sign(func(c any) string { return signJWT(jose.ES256, curve, "1", c) }), misconfigured, "not signed by a key of the provider"},
		{"it handles no JWT", sign(func(any) string { return "opaque" }), misconfigured, "can't be read"},
		{"it handles claims that are no object", sign(func(any) string { return signJWT(jose.RS256, testKey, "1", []int{1}) }), misconfigured, "can't be read"},
		{"it handles an expired token", claim("exp", time.Now().Add(-time.Minute).Unix()), misconfigured, "clock"},
		{"it handles no expiry", without("exp"), misconfigured, "clock"},
		{"it handles a token of tomorrow", claim("iat", time.Now().Add(time.Hour).Unix()), misconfigured, "clock"},
		{"it handles a clock a little ahead", claim("iat", time.Now().Add(time.Minute).Unix()), 0, ""},
		{"it handles a token of last week", claim("iat", time.Now().Add(-7*24*time.Hour).Unix()), misconfigured, "clock"},
		{"it handles no iat", without("iat"), misconfigured, "does not say when"},
		{"it handles a token not valid yet", claim("nbf", time.Now().Add(time.Hour).Unix()), misconfigured, "clock"},
		{"it handles another nonce", claim("nonce", "x"), refused, "another sign-in"},
		{"it handles no nonce", without("nonce"), refused, "another sign-in"},
		{"it handles no subject", without("sub"), misconfigured, "names no person"},
		{"it handles an endless subject", claim("sub", strings.Repeat("x", 256)), misconfigured, "names no person"}, // §2
		{"it handles its access token's hash", claim("at_hash", base64.RawURLEncoding.EncodeToString(half[:16])), 0, ""},
		{"it handles another access token's hash", claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), misconfigured, "another access token"},
		{"it handles no ID token", func(f *faulty) { f.response["id_token"] = "" }, misconfigured, "sent no ID token"},
		{"it handles keys that are away", func(f *faulty) { f.handle["/jwks"] = answerStatus(503) }, unreachable, "problem of its own"},
		{"it handles keys that can't be read", func(f *faulty) {
			f.handle["/jwks"] = func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<b>hello</b>")) }
		}, misconfigured, "keys can't be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.spoil(r.f)
			up, err := r.exchange(t)
			if c.says != "" {
				wantError(t, err, c.kind, c.says)
				if up.Identity.Subject != "" || up.RefreshToken != "" {
					t.Errorf("and still gave %+v", up)
				}
				return
			}
			if err != nil || up.Identity.Subject != "ana" || up.RefreshToken != "rt-1" {
				t.Errorf("%+v %v", up, err)
			}
			if r.State().State != status.IDPOK {
				t.Errorf("state %+v", r.State())
			}
		})
	}
}

// unsigned is a JWT with alg none (RFC 7519 §6).
func unsigned(claims any) string {
	payload, _ := json.Marshal(claims)
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc(payload) + "."
}

// A caller that lost its nonce must not get a token without one accepted.
func TestEmptyNonceIsNoNonce(t *testing.T) {
	r := newRig(t)
	delete(r.f.claims, "nonce")
	_, err := r.Exchange(t.Context(), "the-upstream-code", oauth.UpstreamRequest{Verifier: theVerifier, Nonce: ""})
	wantError(t, err, refused, "another sign-in")
}

func TestKeysRotate(t *testing.T) {
	r := newRig(t)
	if _, err := r.exchange(t); err != nil {
		t.Fatal(err)
	}
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	r.f.spoil(func(f *faulty) { f.key, f.kid = next, "2" })
	if _, err := r.exchange(t); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if n := r.f.count("/jwks"); n != 2 {
		t.Errorf("keys fetched %d times", n)
	}
}

func TestAccessTokenOfAnAudience(t *testing.T) {
	sign := func(change func(map[string]any)) func(*faulty) {
		return func(f *faulty) {
			c := map[string]any{"iss": f.URL, "sub": "ana", "aud": []string{"api://tools"}, "exp": time.Now().Add(time.Hour).Unix()}
			change(c)
			f.response["access_token"] = signJWT(jose.RS256, f.key, f.kid, c)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*faulty)
		says  string
	}{
		{"it handles the audience", sign(func(map[string]any) {}), ""},
		{"it handles another audience", sign(func(c map[string]any) { c["aud"] = "api://other" }), "audience"},
		{"it handles another issuer", sign(func(c map[string]any) { c["iss"] = "https://evil.example" }), "another issuer"},
		{"it handles an expired token", sign(func(c map[string]any) { c["exp"] = 1 }), "clock"},
		{"it handles an opaque token", func(*faulty) {}, "no signed JWT"},
		{"it handles alg none", func(f *faulty) {
			f.response["access_token"] = unsigned(map[string]any{"iss": f.URL, "aud": "api://tools", "exp": time.Now().Add(time.Hour).Unix()})
		}, "no signed JWT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) { cfg.Audience = "api://tools" })
			c.spoil(r.f)
			_, err := r.exchange(t)
			_, again := r.Refresh(t.Context(), "rt-1", oauth.Identity{Issuer: r.f.URL, Subject: "ana"})
			if c.says == "" {
				if err != nil || again != nil {
					t.Errorf("%v, %v", err, again)
				}
				return
			}
			wantError(t, err, misconfigured, c.says)
			wantError(t, again, misconfigured, c.says)
		})
	}
}

// Of an issuer for many tenants, those named may sign in and no others.
func TestTenantsThatMay(t *testing.T) {
	const ours, theirs = "9188040d-6c67-4c5b-b112-36a304b66dad", "72f988bf-86f1-41af-91ab-2d7cd011db47"
	for _, c := range []struct {
		name    string
		tenants []string
		tid     string
		may     bool
	}{
		{"it handles ours", []string{theirs, strings.ToUpper(ours)}, ours, true},
		{"it handles another's", []string{ours}, theirs, false},
		{"it handles nobody named", nil, theirs, true}, // the configuration demands names where it matters
	} {
		t.Run(c.name, func(t *testing.T) {
			r := as(t, "https://login.microsoftonline.com/organizations/v2.0", func(cfg *Config) { cfg.Tenants = c.tenants })
			r.f.metadata["issuer"] = "https://login.microsoftonline.com/{tenantid}/v2.0"
			r.f.claims["iss"], r.f.claims["tid"] = "https://login.microsoftonline.com/"+c.tid+"/v2.0", c.tid
			up, err := r.exchange(t)
			if c.may {
				if err != nil || up.Identity.Issuer != r.f.claims["iss"] {
					t.Fatalf("%+v, %v", up, err)
				}
				return
			}
			wantError(t, err, refused, "tenant in Setup")
			_, err = r.Refresh(t.Context(), "rt-1", oauth.Identity{Issuer: "https://login.microsoftonline.com/" + c.tid + "/v2.0", Subject: "ana"})
			wantError(t, err, refused, "tenant in Setup")
		})
	}
}

func TestEntraTenants(t *testing.T) {
	const tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	const own = "https://login.microsoftonline.com/" + tenant + "/v2.0"
	for _, c := range []struct {
		name, issuer, discovered, iss, tid, says string
	}{
		{"it handles a tenant of organizations", "https://login.microsoftonline.com/organizations/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", own, tenant, ""},
		{"it handles a tenant of common", "https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", own, tenant, ""},
		{"it handles one tenant", own, own, own, tenant, ""},
		{"it handles an issuer that isn't its tenant's", "https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", own, strings.Repeat("a", 36), "another issuer"},
		{"it handles an issuer elsewhere", "https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", "https://evil.example/" + tenant + "/v2.0", tenant, "another issuer"},
		{"it handles a tenant that is a path", "https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", "https://login.microsoftonline.com/x/y/v2.0", "x/y", "another issuer"},
		{"it handles the template as an issuer", "https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", "{tenantid}", "another issuer"},
		{"it handles another template", "https://login.microsoftonline.com/common/v2.0", "https://evil.example/{tenantid}/v2.0", own, tenant, "another issuer"},
		{"it handles a tenant's name", "https://login.microsoftonline.com/contoso.example/v2.0", own, own, tenant, "another issuer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := as(t, c.issuer)
			r.f.metadata["issuer"] = c.discovered
			r.f.claims["iss"], r.f.claims["tid"] = c.iss, c.tid
			up, err := r.exchange(t)
			if c.says != "" {
				wantError(t, err, misconfigured, c.says)
				if _, err := r.authURL(t); (err == nil) != (c.discovered == "https://login.microsoftonline.com/{tenantid}/v2.0") {
					t.Errorf("discovery: %v", err)
				}
				return
			}
			if err != nil || up.Identity.Issuer != own {
				t.Fatalf("%+v %v", up, err)
			}
			if _, err := r.Refresh(t.Context(), "rt-1", up.Identity); err != nil {
				t.Errorf("refresh: %v", err)
			}
		})
	}
}
