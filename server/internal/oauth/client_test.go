package oauth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRegistrationIsItsOwnRecord(t *testing.T) {
	r := newRig(t)
	c, _, err := r.Register("  Cla\x00ude\n<b>\u202e  ", []string{testRedirect, "http://localhost:1/cb"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "Claude <b>" {
		t.Errorf("name %q", c.Name)
	}
	if r.disk.saves != 0 || len(r.clients) != 0 {
		t.Error("a registration was stored")
	}
	r.restart()
	got, ok := r.Known(c.ID)
	if !ok || got.Name != c.Name || len(got.RedirectURIs) != 2 || !got.Registered.Equal(c.Registered) {
		t.Errorf("after a restart: %+v", got)
	}
}

func TestKnownRefuses(t *testing.T) {
	r := newRig(t)
	c := r.client()
	other := newRig(t, func(o *Options) { o.DataKey = []byte("another key of thirty-two bytes!") })
	for name, id := range map[string]string{
		"nothing": "", "a guess": "dbc_AAAA", "no prefix": c.ID[4:], "one bit changed": c.ID[:20] + "A" + c.ID[21:],
		"cut": c.ID[:len(c.ID)-1], "longer": c.ID + "A", "a token's prefix": "dba_" + c.ID[4:], "too long": "dbc_" + strings.Repeat("A", maxClientID),
		"another server's": other.client().ID,
	} {
		if _, ok := r.Known(id); ok {
			t.Errorf("%s is known", name)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	r := newRig(t)
	many := make([]string, MaxRedirectURIs+1)
	for i := range many {
		many[i] = "http://localhost/cb"
	}
	long := []string{}
	for range 4 {
		long = append(long, "http://localhost/"+strings.Repeat("a", 900))
	}
	for name, c := range map[string]struct {
		uris []string
		code string
	}{
		"none":                     {nil, "invalid_redirect_uri"},
		"one that is not allowed":  {[]string{"https://evil.example/cb"}, "invalid_redirect_uri"},
		"none that is allowed":     {[]string{"https://evil.example/cb", "javascript:alert(1)", ""}, "invalid_redirect_uri"},
		"one that is unsafe":       {[]string{testRedirect, "javascript:alert(1)"}, "invalid_redirect_uri"},
		"our own callback, too":    {[]string{testRedirect, "https://bridge.example/auth/callback"}, "invalid_redirect_uri"},
		"our own callback":         {[]string{"https://bridge.example/auth/callback"}, "invalid_redirect_uri"},
		"too many":                 {many, "invalid_client_metadata"},
		"too long for a client id": {long, "invalid_client_metadata"},
	} {
		_, _, err := r.Register("x", c.uris)
		t.Run(name, func(t *testing.T) { wantCode(t, err, c.code) })
	}
}

// RFC 7591 §3.2.1: the server may change what a client asked for.
func TestRegisterTakesWhatIsAllowed(t *testing.T) {
	r := newRig(t)
	for name, uris := range map[string][]string{
		"an unlisted one after":  {testRedirect, "https://evil.example/cb"},
		"an unlisted one before": {"https://evil.example/cb", testRedirect},
		"one of many":            {"https://a.example/", "https://evil.example/cb", testRedirect, "com.example.app:/cb"},
	} {
		t.Run(name, func(t *testing.T) {
			c, left, err := r.Register("x", uris)
			if err != nil || !slices.Equal(c.RedirectURIs, []string{testRedirect}) {
				t.Fatalf("%+v, %v", c, err)
			}
			var unlisted *NotAllowedError
			if !errors.As(left, &unlisted) || !slices.Contains(uris, unlisted.URI) {
				t.Errorf("left out: %v", left)
			}
			_, err = r.ProveRedirect(c, "https://evil.example/cb")
			wantCode(t, err, "invalid_redirect_uri")
			if _, err := r.ProveRedirect(c, testRedirect); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProveRedirect(t *testing.T) {
	r := newRig(t, func(o *Options) { o.StaticClientID = "0oaPasted" })
	c, _, err := r.Register("x", []string{"http://localhost:1234/cb"})
	if err != nil {
		t.Fatal(err)
	}
	pasted, ok := r.Known("0oaPasted")
	if !ok || pasted.Kind != KindStatic {
		t.Fatal("the provider's client id, pasted, is unknown")
	}
	listed := &Client{Kind: KindCIMD, RedirectURIs: []string{"https://not-on-our-list.example/cb"}}
	cases := []struct {
		name      string
		client    *Client
		presented string
		code      string
	}{
		{"registered, another port", c, "http://localhost:9/cb", ""},
		{"left out, one registered", c, "", ""},
		{"another host", c, "https://evil.example/cb", "invalid_redirect_uri"},
		{"on the list but not the client's", c, testRedirect, "invalid_redirect_uri"},
		{"the client's but not on the list", listed, "https://not-on-our-list.example/cb", "invalid_redirect_uri"},
		{"left out, and not on the list", listed, "", "invalid_redirect_uri"},
		{"static, on the list", pasted, testRedirect, ""},
		{"static, loopback", pasted, "http://127.0.0.1:5/cb", ""},
		{"static, left out", pasted, "", "invalid_request"},
		{"static, not on the list", pasted, "https://evil.example/cb", "invalid_redirect_uri"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.ProveRedirect(c.client, c.presented)
			if c.code != "" {
				wantCode(t, err, c.code)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRegistrationSwitchedOff(t *testing.T) {
	r := newRig(t)
	c, _ := r.signIn()
	r.clock.forward(time.Second)
	stranger, _, _ := r.Register("stranger", []string{testRedirect})
	r.opts.NoRegistration = true
	r.restart()
	if _, ok := r.Known(c.ID); !ok {
		t.Error("a client that somebody signed in with is not known any more")
	}
	if _, ok := r.Known(stranger.ID); ok {
		t.Error("a client that never signed in is known")
	}
}

func TestUnusedClientsAreForgotten(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.clock.forward(forgetClientAfter + time.Hour)
	r.restart()
	if len(r.Clients()) != 1 {
		t.Error("a client with a session was forgotten")
	}
	if _, err := r.RevokeAll("test"); err != nil {
		t.Fatal(err)
	}
	r.restart()
	if len(r.Clients()) != 0 || len(r.disk.records[BucketClients]) != 0 {
		t.Error("a client that nobody has used for months is still kept")
	}
}

func TestTokensOfAnotherKey(t *testing.T) {
	r := newRig(t)
	_, tokens := r.signIn()
	last := map[bool]string{true: "_", false: "A"}[tokens.Access[len(tokens.Access)-1] != '_'] // one token in 64 ends in "_"
	for name, text := range map[string]string{
		"the refresh token": tokens.Refresh, "nothing": "", "a prefix": "dba_", "another resource's": tokens.Access,
		"a changed last character": tokens.Access[:len(tokens.Access)-1] + last, "white space": tokens.Access + " ",
	} {
		resource := testMCP
		if name == "another resource's" {
			resource = "https://bridge.example/s/files/mcp"
		}
		if _, _, err := r.Authenticate(text, resource, ""); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	r.opts.DataKey = []byte("another key of thirty-two bytes!")
	r.restart()
	if r.alive(tokens.Access) {
		t.Error("a token made under another data key was taken")
	}
}

func FuzzTokens(f *testing.F) {
	s, err := newSealer(make([]byte, 32), "test")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.mint(token{kind: accessToken, generation: 1, expires: time.UnixMilli(1)}))
	f.Add("dbr_AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.open(text)
		if err == nil && s.mint(got) != text {
			t.Errorf("%q opened but is not what it would be minted as", text)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	for _, n := range []int{10, 20_000} {
		b.Run(map[int]string{10: "10 sessions", 20_000: "20,000 sessions"}[n], func(b *testing.B) {
			r := newRig(&testing.T{})
			_, tokens := r.signIn()
			rec := *r.grants[func() grantID {
				for id := range r.grants {
					return id
				}
				return grantID{}
			}()].record()
			for i := range n {
				var id grantID
				id[0], id[1], id[2] = byte(i), byte(i>>8), 1
				rec.ID = id.String()
				r.grants[id] = newGrant(id, rec)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := r.Authenticate(tokens.Access, testMCP, "203.0.113.7"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
