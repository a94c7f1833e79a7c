package oauth

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const jagGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// company is a company's provider that vouches for its people: discovery and keys,
// and ID-JAGs that the test writes byte by byte.
type company struct {
	issuer string
	key    *rsa.PrivateKey
	kid    string
	set    atomic.Pointer[jose.JSONWebKeySet]
	asked  atomic.Int64 // how often for the keys
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c.issuer = s.URL
	c.rotate(t)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`,
			s.URL, s.URL+"/authorize", s.URL+"/token", s.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		c.asked.Add(1)
		_ = json.NewEncoder(w).Encode(c.set.Load())
	})
	return c
}

// rotate has the company sign with another key.
func (c *company) rotate(t *testing.T) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c.key, c.kid = key, rand.Text()
	c.set.Store(&jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: c.kid, Use: "sig", Algorithm: "RS256"}}})
}

// jag is an assertion as pairs of name and JSON, so that a name can stand there
// twice.
type jag struct {
	header, claims []string
	sign           func(text string) []byte
}

func (j *jag) set(list *[]string, name, raw string) {
	for i := 0; i+1 < len(*list); i += 2 {
		if (*list)[i] == name {
			*list = append((*list)[:i:i], (*list)[i+2:]...)
			break
		}
	}
	if raw != "" {
		*list = append(*list, name, raw)
	}
}

func (j *jag) text() string {
	part := func(list []string) string {
		var members []string
		for i := 0; i+1 < len(list); i += 2 {
			members = append(members, fmt.Sprintf("%q:%s", list[i], list[i+1]))
		}
		return base64.RawURLEncoding.EncodeToString([]byte("{" + strings.Join(members, ",") + "}"))
	}
	text := part(j.header) + "." + part(j.claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(j.sign(text))
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

func seconds(after time.Duration) string { return fmt.Sprint(time.Now().Add(after).Unix()) }

func signRS256(key *rsa.PrivateKey) func(string) []byte {
	return func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return sig
	}
}

func signHS256(key []byte) func(string) []byte {
	return func(text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
}

// enterprise is Drawbridge with a company that it trusts, and a client that may
// redeem what the company says.
type enterprise struct {
	t       *testing.T
	app     *rig.App
	company *company
	client  status.Client
	secret  string
}

func newEnterprise(t *testing.T, change ...func(*config.Config)) *enterprise {
	t.Helper()
	e := &enterprise{t: t, company: newCompany(t)}
	e.app = rig.StartApp(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Enterprise = config.Enterprise{Enabled: true, Issuers: []string{e.company.issuer}, Access: 5 * time.Minute}
		for _, f := range change {
			f(c)
		}
	}})
	e.client, e.secret = e.add(status.NewClient{Name: "Claude for Acme"})
	return e
}

func (e *enterprise) add(c status.NewClient) (status.Client, string) {
	e.t.Helper()
	added, secret, err := e.app.Srv.AddClient(e.t.Context(), c)
	if err != nil {
		e.t.Fatal(err)
	}
	return added, secret
}

// jag is a good one for alice.
func (e *enterprise) jag() *jag {
	return &jag{header: []string{"alg", `"RS256"`, "typ", `"oauth-id-jag+jwt"`, "kid", quoted(e.company.kid)},
		claims: []string{"iss", quoted(e.company.issuer), "sub", `"00u1alice"`, "aud", quoted(e.app.URL), "client_id", quoted(e.client.ID), "jti", quoted(rand.Text()),
			"exp", seconds(290 * time.Second), "iat", seconds(0), "email", `"alice@example.com"`, "resource", quoted(e.app.MCPURL), "scope", `"openid email"`},
		sign: signRS256(e.company.key)}
}

// with returns a good one whose claims are changed by pairs; "" takes one out.
func (e *enterprise) with(pairs ...string) *jag {
	j := e.jag()
	for i := 0; i+1 < len(pairs); i += 2 {
		j.set(&j.claims, pairs[i], pairs[i+1])
	}
	return j
}

// redeem sends an assertion as the client does, by post; change is as in Redeem.
func (e *enterprise) redeem(assertion string, change ...string) *rig.Reply {
	e.t.Helper()
	return e.app.PostForm(e.t, "/token", rig.With(url.Values{"grant_type": {jagGrant}, "assertion": {assertion}, "client_id": {e.client.ID},
		"client_secret": {e.secret}, "resource": {e.app.MCPURL}}, change))
}

// in redeems a good one, which has to succeed.
func (e *enterprise) in() rig.Tokens {
	e.t.Helper()
	return e.app.MustTokens(e.t, e.redeem(e.jag().text()))
}
