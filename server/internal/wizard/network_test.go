package wizard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound/proxytest"
)

// Where the way out is closed, Setup points at what to fill in there, and
// nowhere else.
func TestWhereTheWayIsClosed(t *testing.T) {
	const host = "idp.company.invalid"
	nowhere := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
	for name, c := range map[string]struct {
		spoil func(*proxytest.Proxy, *config.Network)
		dial  func(context.Context, string, string) (net.Conn, error)
		field string
		says  string
	}{
		"nothing is reached directly": {func(_ *proxytest.Proxy, n *config.Network) { *n = config.Network{CAFile: n.CAFile} }, nowhere, FieldProxy, "if this network has a proxy"},
		"the provider alone is away": {func(_ *proxytest.Proxy, n *config.Network) { *n = config.Network{CAFile: n.CAFile} },
			func(context.Context, string, string) (net.Conn, error) { a, _ := net.Pipe(); return a, nil }, "", "if this network has a proxy"},
		"a proxy that wants a password":              {func(p *proxytest.Proxy, _ *config.Network) { p.Demand("ana", "x") }, nowhere, FieldProxyPassword, "wants a user name"},
		"an inspecting proxy":                        {func(_ *proxytest.Proxy, n *config.Network) { n.CAFile = "" }, nowhere, FieldCAFile, "signed by Company CA"},
		"a proxy that blocks":                        {func(p *proxytest.Proxy, _ *config.Network) { p.Block(host+":443", 403) }, nowhere, FieldProxy, "does not let connections"},
		"a proxy that is away":                       {func(_ *proxytest.Proxy, n *config.Network) { n.Proxy = "http://127.0.0.1:1" }, nowhere, FieldProxy, "can't be reached"},
		"a provider behind it that answers nonsense": {func(*proxytest.Proxy, *config.Network) {}, nowhere, "", "not with an OpenID discovery document"},
	} {
		t.Run("it handles "+name, func(t *testing.T) {
			proxy, company := proxytest.Start(t), proxytest.NewAuthority(t, "Company CA")
			company.Serve(t, proxy, host, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
			cand := Candidate{Config: config.Default()}
			cand.Config.Network = config.Network{Proxy: proxy.URL, CAFile: company.File}
			cand.Config.IDP.Issuer, cand.Config.IDP.ClientID, cand.ClientSecret = "https://"+host, "id", keystore.NewSecret("s")
			c.spoil(proxy, &cand.Config.Network)
			w := &Wizard{Dial: c.dial, Network: func(n config.Network, _ keystore.Secret) *outbound.Network {
				return outbound.New(outbound.Options{Proxy: n.Proxy, CAFile: n.CAFile})
			}}
			want := c.field
			if want == "" {
				want = FieldIssuer
			}
			r := w.CheckProvider(t.Context(), Other, &cand)
			if len(r.Problems) != 1 || r.Problems[0].Field != want || !strings.Contains(r.Problems[0].String(), c.says) {
				t.Errorf("%+v", r.Problems)
			}
			isSentence(t, r.Problems[0].Sentence, c.says)
			if c.field != "" { // Okta's servers are looked for by the same way
				r := w.Locate(t.Context(), Okta, Form{FieldDomain: host}, &cand)
				if len(r.Problems) != 1 || r.Problems[0].Field != c.field || !r.Away {
					t.Errorf("looking for servers: %+v", r)
				}
			}
		})
	}
}

// What a person pastes as a proxy is read; a password in it goes to the keychain.
func TestNetwork(t *testing.T) {
	for proxy, want := range map[string][2]string{
		"":                              {"", ""},
		" proxy.example.com:8080 ":      {"http://proxy.example.com:8080", ""},
		"http://proxy.example.com:8080": {"http://proxy.example.com:8080", ""},
		"ana@proxy.example.com:8080":    {"http://ana@proxy.example.com:8080", ""},
		"http://ana:hunter2@proxy.example.com:80": {"http://ana@proxy.example.com:80", "hunter2"},
		"http://ana:@proxy.example.com:80":        {"http://ana@proxy.example.com:80", ""},
		"http://ana:a%40b@proxy.example.com:80":   {"http://ana@proxy.example.com:80", "a@b"},
	} {
		n, password := Network(proxy, "a.example, 10.0.0.0/8\n.b.example", " /x y/ca.pem ")
		if n.Proxy != want[0] || password.Reveal() != want[1] || len(n.NoProxy) != 3 || n.CAFile != "/x y/ca.pem" {
			t.Errorf("%q: %+v %q", proxy, n, password.Reveal())
		}
	}
	w := &Wizard{}
	for field, n := range map[string]config.Network{
		FieldProxy: {Proxy: "ftp://x"}, FieldNoProxy: {NoProxy: []string{"https://a.example"}}, FieldCAFile: {CAFile: " x"}, "": {Proxy: "http://p.example", NoProxy: []string{"a"}, CAFile: "/x"},
	} {
		r := w.CheckNetwork(n)
		if r.OK() != (field == "") || field != "" && r.Problems[0].Field != field {
			t.Errorf("%+v: %+v", n, r.Problems)
		}
	}
}
