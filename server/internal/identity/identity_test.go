package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	issuer = "https://name.ngrok.app"
	files  = "http://127.0.0.1:3000/mcp"
)

var start = time.Date(2026, 11, 22, 14, 2, 0, 500, time.UTC)

// dataKey is the bytes 0 to 31.
func dataKey() []byte {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func ana() *oauth.Caller {
	return &oauth.Caller{Session: "s1", User: status.User{Sub: "00u1", Email: "ana@example.com", Name: "Ana"}, EmailVerified: true,
		Groups: []string{"admins"}, Client: status.SessionClient{ID: "c1"}}
}

func signer(t *testing.T, now func() time.Time) *Signer {
	t.Helper()
	s, err := New(dataKey(), issuer, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verify reads a token as a mounted server does: by the published set alone.
func verify(t *testing.T, jwks []byte, token string, expected jwt.Expected) (map[string]any, error) {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	if typ := parsed.Headers[0].ExtraHeaders["typ"]; typ != "JWT" {
		t.Errorf("typ is %v", typ)
	}
	keys := set.Key(parsed.Headers[0].KeyID)
	if len(keys) != 1 {
		return nil, errors.New("no such key")
	}
	var std jwt.Claims
	var all map[string]any
	if err := parsed.Claims(keys[0].Key, &std, &all); err != nil {
		return nil, err
	}
	return all, std.ValidateWithLeeway(expected, 0)
}

func TestToken(t *testing.T) {
	s := signer(t, func() time.Time { return start })
	token, err := s.Token(ana(), files)
	if err != nil {
		t.Fatal(err)
	}
	expected := jwt.Expected{Issuer: issuer, Subject: "00u1", AnyAudience: jwt.Audience{files}, Time: start}
	got, err := verify(t, s.JWKS(), token, expected)
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := got["jti"].(string); len(id) < 20 {
		t.Errorf("jti %v", got["jti"])
	}
	delete(got, "jti")
	sec := float64(start.Unix())
	want := map[string]any{"iss": issuer, "aud": files, "sub": "00u1", "email": "ana@example.com", "email_verified": true, "name": "Ana",
		"groups": []any{"admins"}, "client_id": "c1", "sid": "s1", "iat": sec, "nbf": sec - 5, "exp": sec + 60}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for name, e := range map[string]jwt.Expected{
		"another audience": {AnyAudience: jwt.Audience{"http://127.0.0.1:3001/mcp"}, Time: start},
		"another issuer":   {Issuer: "https://other.example", Time: start},
		"a minute later":   {Time: start.Add(61 * time.Second)},
		"before its time":  {Time: start.Add(-10 * time.Second)},
	} {
		if _, err := verify(t, s.JWKS(), token, e); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	other, err := New(make([]byte, 32), issuer, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, other.JWKS(), token, expected); err == nil {
		t.Error("another key verifies it")
	}
	head, rest, _ := strings.Cut(token, ".")
	body, sig, _ := strings.Cut(rest, ".")
	if _, err := verify(t, s.JWKS(), head+"."+strings.Replace(body, "A", "B", 1)+"."+sig, expected); err == nil {
		t.Error("a changed token is taken")
	}
}

func TestTokensAreKeptForHalfTheirLife(t *testing.T) {
	now := start
	s := signer(t, func() time.Time { return now })
	caller := ana()
	get := func(c *oauth.Caller, audience string) string {
		t.Helper()
		token, err := s.Token(c, audience)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	first := get(caller, files)
	now = start.Add(29 * time.Second)
	if get(caller, files) != first {
		t.Error("a new token within half its life")
	}
	other := *caller
	other.Session = "s2"
	changed := *caller
	changed.User.Email = "ana@example.org"
	for name, token := range map[string]string{"another server": get(caller, files+"2"), "another session": get(&other, files), "another address": get(&changed, files)} {
		if token == first {
			t.Errorf("%s got the same token", name)
		}
	}
	now = start.Add(31 * time.Second)
	if get(caller, files) == first {
		t.Error("an old token after half its life")
	}
	for i := range maxCached + 10 {
		other.Session = fmt.Sprint("many", i)
		s.keep(use{other.Session, files}, token{fresh: now.Add(time.Second)}, now)
	}
	if len(s.tokens) > maxCached {
		t.Errorf("%d tokens are kept", len(s.tokens))
	}
}

// Sessions come and go for months; what was said for them does not stay.
func TestStaleTokensAreForgotten(t *testing.T) {
	now := start
	s := signer(t, func() time.Time { return now })
	for i := range 100 {
		caller := ana()
		caller.Session = fmt.Sprint("s", i)
		if _, err := s.Token(caller, files); err != nil {
			t.Fatal(err)
		}
		now = now.Add(10 * time.Second)
	}
	if n := len(s.tokens); n > 12 { // of the last two minutes
		t.Errorf("%d tokens are kept", n)
	}
}

func TestNoTokenForNobody(t *testing.T) {
	s := signer(t, time.Now)
	for name, c := range map[string]*oauth.Caller{"nobody": nil, "no session": {User: status.User{Sub: "x"}}, "no subject": {Session: "x"}} {
		if token, err := s.Token(c, files); err == nil || token != "" {
			t.Errorf("%s: %q, %v", name, token, err)
		}
	}
	if _, err := s.Token(ana(), ""); err == nil {
		t.Error("a token for every server")
	}
}

// Servers may have stored the key: it is the same as in earlier versions.
func TestKeyStaysTheSame(t *testing.T) {
	want, err := os.ReadFile("testdata/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := signer(t, time.Now).JWKS(); string(got)+"\n" != string(want) {
		t.Errorf("got %s", got)
	}
	if strings.Contains(string(want), `"d"`) {
		t.Error("the set holds the private key")
	}
}

func TestConcurrentTokens(t *testing.T) {
	s := signer(t, time.Now)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c := ana()
			c.Session = fmt.Sprint(i % 4)
			for range 20 {
				if _, err := s.Token(c, files); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Each request has a caller of its own: what it says decides, not which it is.
func TestTokensAreKeptForTheSamePerson(t *testing.T) {
	s := signer(t, time.Now)
	get := func(change func(*oauth.Caller)) string {
		t.Helper()
		c := ana()
		change(c)
		text, err := s.Token(c, "https://files.example/mcp")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := get(func(*oauth.Caller) {})
	if get(func(c *oauth.Caller) { c.Remote = "203.0.113.9" }) != first {
		t.Error("the next request of the same person has another token")
	}
	for name, change := range map[string]func(*oauth.Caller){
		"group":   func(c *oauth.Caller) { c.Groups = []string{"others"} },
		"address": func(c *oauth.Caller) { c.User.Email = "other@example.com" },
	} {
		if get(change) == first {
			t.Errorf("another %s has the same token", name)
		}
	}
}

// A server can tell a machine from a person, whatever either is called.
func TestMachineIsTold(t *testing.T) {
	s := signer(t, func() time.Time { return start })
	machine := &oauth.Caller{Session: "s2", Through: status.Machine, User: status.User{Sub: "machine:ci", Name: "ci"}, Client: status.SessionClient{ID: "dbk_1", Name: "ci"}}
	for caller, want := range map[*oauth.Caller]any{machine: true, ana(): nil} {
		token, err := s.Token(caller, files)
		if err != nil {
			t.Fatal(err)
		}
		if claims, err := verify(t, s.JWKS(), token, jwt.Expected{Issuer: issuer, Subject: caller.User.Sub, Time: start}); err != nil || claims["machine"] != want {
			t.Errorf("%v, %v", claims, err)
		}
	}
}
