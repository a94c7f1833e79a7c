package oauth

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// refusal is an assertion that is refused: a good one, changed.
type refusal struct {
	name   string
	change func(j *jag)
}

// refusals are all but those that are no JWT.
func refusals(t *testing.T, e *enterprise, attacker *company) []refusal {
	good := e.jag()
	rows := []refusal{
		{"another issuer's key", func(j *jag) { j.sign = signRS256(attacker.key) }},
		{"a trusted issuer's name for another's key", func(j *jag) {
			j.set(&j.header, "kid", quoted(attacker.kid))
			j.sign = signRS256(attacker.key)
		}},
		{"an issuer that is not trusted", func(j *jag) {
			j.set(&j.claims, "iss", quoted(attacker.issuer))
			j.set(&j.header, "kid", quoted(attacker.kid))
			j.sign = signRS256(attacker.key)
		}},
		{"the issuer of sign-ins, where others are named", func(j *jag) { j.set(&j.claims, "iss", quoted(e.app.Config.IDP.Issuer)) }},
		{"an issuer with a slash more", func(j *jag) { j.set(&j.claims, "iss", quoted(e.company.issuer+"/")) }},
		{"no signature", func(j *jag) { j.sign = func(string) []byte { return nil } }},
		{"the end of a signature cut", func(j *jag) {
			sign := j.sign
			j.sign = func(s string) []byte { sig := sign(s); return sig[:len(sig)-1] }
		}},
		{"alg none", func(j *jag) {
			j.set(&j.header, "alg", `"none"`)
			j.sign = func(string) []byte { return nil }
		}},
		{"HS256 with the client secret", func(j *jag) {
			j.set(&j.header, "alg", `"HS256"`)
			j.sign = signHS256([]byte(e.secret))
		}},
		{"HS256 with the public key", func(j *jag) {
			der, err := x509.MarshalPKIXPublicKey(e.company.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			j.set(&j.header, "alg", `"HS256"`)
			j.sign = signHS256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}},
		{"a key that it brings itself", func(j *jag) {
			jwk, err := (&jose.JSONWebKey{Key: attacker.key.Public(), KeyID: "own"}).MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			j.set(&j.header, "jwk", string(jwk))
			j.set(&j.header, "jku", quoted(attacker.issuer+"/keys"))
			j.set(&j.header, "kid", "")
			j.sign = signRS256(attacker.key)
		}},
		{"crit", func(j *jag) { j.set(&j.header, "crit", `["exp"]`) }},
		{"alg twice", func(j *jag) { j.header = append(j.header, "alg", `"RS256"`) }},
		{"a key that the client would have to prove", func(j *jag) { j.set(&j.claims, "cnf", `{"jkt":"x"}`) }},
		{"audiences, ours among them", func(j *jag) { j.set(&j.claims, "aud", "["+quoted(e.app.URL)+`,"https://other.example"]`) }},
		{"ours twice", func(j *jag) { j.set(&j.claims, "aud", "["+quoted(e.app.URL)+","+quoted(e.app.URL)+"]") }},
		{"no audience in a list", func(j *jag) { j.set(&j.claims, "aud", "[]") }},
		{"the token endpoint as audience", func(j *jag) { j.set(&j.claims, "aud", quoted(e.app.URL+"/token")) }},
		{"the MCP URL as audience", func(j *jag) { j.set(&j.claims, "aud", quoted(e.app.MCPURL)) }},
		{"our issuer in capitals", func(j *jag) { j.set(&j.claims, "aud", quoted(strings.ToUpper(e.app.URL))) }},
		{"another client's", func(j *jag) { j.set(&j.claims, "client_id", `"dbk_another"`) }},
		{"another resource", func(j *jag) { j.set(&j.claims, "resource", `"https://other.example/mcp"`) }},
		{"a server's path where /mcp is asked for", func(j *jag) { j.set(&j.claims, "resource", quoted(e.app.URL+"/s/files/mcp")) }},
		{"two resources", func(j *jag) {
			j.set(&j.claims, "resource", "["+quoted(e.app.MCPURL)+","+quoted(e.app.URL+"/s/files/mcp")+"]")
		}},
		{"no resource in a list", func(j *jag) { j.set(&j.claims, "resource", "[]") }},
		{"an empty resource", func(j *jag) { j.set(&j.claims, "resource", `""`) }},
		{"one that has expired", func(j *jag) {
			j.set(&j.claims, "exp", seconds(-31*time.Second))
			j.set(&j.claims, "iat", seconds(-200*time.Second))
		}},
		{"one of the future", func(j *jag) {
			j.set(&j.claims, "iat", seconds(45*time.Second))
			j.set(&j.claims, "exp", seconds(100*time.Second))
		}},
		{"one that is not good yet", func(j *jag) { j.set(&j.claims, "nbf", seconds(45*time.Second)) }},
		{"one that is good for six minutes", func(j *jag) { j.set(&j.claims, "exp", seconds(360*time.Second)) }},
		{"one good for no time", func(j *jag) { j.set(&j.claims, "exp", seconds(0)); j.set(&j.claims, "iat", seconds(5*time.Second)) }},
		{"a time beyond all", func(j *jag) { j.set(&j.claims, "exp", "1e300"); j.set(&j.claims, "iat", "1e300") }},
		{"a time before all", func(j *jag) { j.set(&j.claims, "iat", "-1e300") }},
		{"nbf beyond all", func(j *jag) { j.set(&j.claims, "nbf", "1e300") }},
		{"nbf of another form", func(j *jag) { j.set(&j.claims, "nbf", `"now"`) }},
		{"a machine as a person", func(j *jag) { j.set(&j.claims, "sub", `"machine:ci"`) }},
		{"a scope in a list", func(j *jag) { j.set(&j.claims, "scope", `["openid"]`) }},
		{"a scope that is none", func(j *jag) { j.set(&j.claims, "scope", `"open\"id"`) }},
		{"an ID token's typ", func(j *jag) { j.set(&j.header, "typ", `"JWT"`) }},
		{"no typ", func(j *jag) { j.set(&j.header, "typ", "") }},
		{"typ in capitals", func(j *jag) { j.set(&j.header, "typ", `"OAUTH-ID-JAG+JWT"`) }},
		{"typ as a media type", func(j *jag) { j.set(&j.header, "typ", `"application/oauth-id-jag+jwt"`) }},
		{"typ of an access token", func(j *jag) { j.set(&j.header, "typ", `"at+jwt"`) }},
		{"typ in a list", func(j *jag) { j.set(&j.header, "typ", `["oauth-id-jag+jwt"]`) }},
	}
	for i := 0; i+1 < len(good.claims); i += 2 {
		name, raw := good.claims[i], good.claims[i+1]
		if name == "email" || name == "resource" || name == "scope" {
			continue
		}
		others := []string{`""`, "null", "{}", "true", "17"}
		if name == "exp" || name == "iat" {
			others = []string{quoted(raw), "null", "{}", "true", "[" + raw + "]"}
		}
		rows = append(rows, refusal{name + " missing", func(j *jag) { j.set(&j.claims, name, "") }},
			refusal{name + " twice", func(j *jag) { j.claims = append(j.claims, name, raw) }},
			refusal{name + " twice, differently", func(j *jag) { j.claims = append([]string{name, `"other"`}, j.claims...) }})
		for _, other := range others {
			rows = append(rows, refusal{name + " as " + other, func(j *jag) { j.set(&j.claims, name, other) }})
		}
	}
	return rows
}

// It handles no assertion but one that a trusted provider made, just now, for this
// client at this server (RFC 7523 §3; draft-ietf-oauth-identity-assertion-authz-grant
// §4). What was refused uses nothing up: the good one of the same jti comes after it.
func TestEnterpriseRefuses(t *testing.T) {
	e := newEnterprise(t)
	for _, row := range refusals(t, e, newCompany(t)) {
		j := e.jag()
		jti := j.claims[9]
		row.change(j)
		if r := e.redeem(j.text()); r.Status != 400 || r.Error() != "invalid_grant" {
			t.Errorf("%s: %d %s", row.name, r.Status, r.Body)
		}
		if r := e.redeem(e.with("jti", jti).text()); r.Status != 200 {
			t.Errorf("after %s: %d %s", row.name, r.Status, r.Body)
		}
	}
	text := e.jag().text()
	parts := strings.Split(text, ".")
	for name, text := range map[string]string{
		"the JSON form of a JWS": fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]),
		"base64 with its end":    parts[0] + "." + parts[1] + "=." + parts[2],
		"a line break":           parts[0] + "." + parts[1] + "\n." + parts[2],
		"a blank before it":      " " + text,
		"a part too many":        text + "." + parts[2],
		"an encrypted one":       text + "." + parts[2] + "." + parts[2],
		"no JWT":                 "assertion",
		"a long one":             strings.Repeat("a", 20<<10),
		"claims that are a list": parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("[]")) + "." + parts[2],
		"claims that are null":   parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("null")) + "." + parts[2],
	} {
		if r := e.redeem(text); r.Status != 400 || r.Error() != "invalid_grant" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	if n := e.company.asked.Load(); n > 4 {
		t.Errorf("%d requests for the company's keys: whoever sends what no key has signed decides how often they are asked for", n)
	}
	e.redeem(e.with("resource", "").text(), "resource", "https://other.example/mcp").Want(t, 400, "invalid_target") // RFC 8707 §2
	e.redeem(text, "resource", e.app.URL+"/s/files/mcp").Want(t, 400, "invalid_target")
	e.redeem("").Want(t, 400, "invalid_request")
	e.app.MustTokens(t, e.redeem(text))

	if list := e.app.Sessions(t); len(list) != 1 {
		t.Errorf("%d sessions of one person", len(list))
	}
	if log := e.app.Log.String(); strings.Contains(log, parts[1]) || strings.Contains(log, parts[2]) {
		t.Error("an assertion stands in the log")
	}
}

// It handles whoever comes with a good assertion and may not redeem it: a client
// without authentication, one that was not added for it, and another client.
func TestEnterpriseWho(t *testing.T) {
	e := newEnterprise(t)
	public := e.app.Register(t, rig.ClientURI)
	e.app.PostForm(t, "/token", url.Values{"grant_type": {jagGrant}, "assertion": {e.with("client_id", quoted(public.ID)).text()}, "client_id": {public.ID}}).Want(t, 400, "unauthorized_client")
	e.redeem(e.jag().text(), "client_secret", "").Want(t, 401, "invalid_client")
	e.redeem(e.jag().text(), "client_secret", "dbs_"+strings.Repeat("A", 43)).Want(t, 401, "invalid_client")
	e.redeem(e.jag().text(), "client_id", "dbk_nobody").Want(t, 401, "invalid_client")
	other, secret := e.add(status.NewClient{Name: "Other"})
	stolen := e.jag().text()
	e.redeem(stolen, "client_id", other.ID, "client_secret", secret).Want(t, 400, "invalid_grant")
	e.app.MustConclude(t, "token.other", "refused", "made for another client")
	e.app.MustTokens(t, e.redeem(stolen))
	e.redeem(e.with("aud", `"https://old.example"`).text()).Want(t, 400, "invalid_grant")
	e.app.MustConclude(t, "token.audience", "refused", "The assertion was made for https://old.example, but this server's issuer is "+e.app.URL+".")
	events := e.app.Events(t, status.TokenRefused)
	if last := events[len(events)-1]; !strings.Contains(last.Reason, "made for https://old.example, but this server's issuer is "+e.app.URL) {
		t.Errorf("event: %+v", last)
	}
	e.redeem(e.with("exp", seconds(-time.Hour), "iat", seconds(-time.Hour-time.Minute)).text()).Want(t, 400, "invalid_grant")
	e.app.MustConclude(t, "token.clock", "refused", "it has expired")
}

// A document's client with keys of its own may redeem what the provider says, if its
// document says that it does.
func TestEnterpriseByDocument(t *testing.T) {
	e := newEnterprise(t)
	doc, keys, signer := rig.Publish(t, rig.ClientURI), rig.Publish(t), rig.NewSigner(t, "one")
	keys.Set("keys", []any{signer.Public()})
	doc.Set("token_endpoint_auth_method", "private_key_jwt")
	doc.Set("jwks_uri", keys.ID)
	redeem := func() *rig.Reply {
		return e.app.PostForm(t, "/token", url.Values{"grant_type": {jagGrant}, "assertion": {e.with("client_id", quoted(doc.ID)).text()},
			"client_assertion_type": {rig.JWTBearer}, "client_assertion": {signer.Sign(rig.ClaimsOf(e.app, doc.ID))}})
	}
	doc.Set("grant_types", []string{"authorization_code", "refresh_token", jagGrant})
	e.app.MustWorkWith(t, e.app.MustTokens(t, redeem()).Access)
	if c := e.app.Srv.Clients(); !slices.ContainsFunc(c, func(c status.Client) bool {
		return c.ID == doc.ID && slices.Equal(c.RedirectURIs, []string{rig.ClientURI})
	}) {
		t.Errorf("what the document says is not kept: %+v", c)
	}
	if s := e.app.Sessions(t)[0]; s.Client.Kind != "cimd" || s.Through != status.Enterprise {
		t.Errorf("session: %+v", s)
	}
}

// Off, which is the default, nothing of it is there; switched off later, its sessions
// end.
func TestEnterpriseOff(t *testing.T) {
	e := newEnterprise(t)
	tokens := e.in()
	e.app.Stop()
	e.app.Config.Enterprise.Enabled = false
	e.app.Start()
	e.app.MustNotOpen(t, tokens.Access)
	e.redeem(e.jag().text()).Want(t, 400, "unsupported_grant_type")
	if meta := e.app.Get(t, "/.well-known/oauth-authorization-server").Body; strings.Contains(meta, "jwt-bearer") || strings.Contains(meta, "id-jag") {
		t.Errorf("metadata: %s", meta)
	}
	if config.Default().Enterprise.Enabled {
		t.Error("it is on by default")
	}
}
