package setup_test

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
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// companyIssuer is a provider that its company's proxy alone knows.
const companyIssuer = "https://idp.company.invalid"

var discovery = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/jwks" {
		_, _ = w.Write([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)) // RFC 7517, appendix A.1
		return
	}
	_, _ = w.Write([]byte(strings.ReplaceAll(`{"issuer":"I","authorization_endpoint":"I/authorize","token_endpoint":"I/token","jwks_uri":"I/jwks"}`, "I", companyIssuer)))
})

// way is what setup asks with, on a computer from which nothing else is reached.
func way() *wizard.Wizard {
	return &wizard.Wizard{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") },
		Network: func(n config.Network, password keystore.Secret) *outbound.Network {
			return outbound.New(outbound.Options{Proxy: n.Proxy, NoProxy: n.NoProxy, CAFile: n.CAFile,
				Password: func(context.Context) (string, error) { return password.Reveal(), nil }})
		}}
}

// A person whose network has a proxy that wants a password, and inspects what
// goes through it, is asked for each in turn, and for nothing twice.
func TestPromptsForACompanyNetwork(t *testing.T) {
	proxy, company := proxytest.Start(t), proxytest.NewAuthority(t, "Company CA")
	company.Serve(t, proxy, "idp.company.invalid", discovery)
	proxy.Demand("ana", "s3cret-of-the-proxy")
	r := newRig(t)
	r.Wizard = way()
	p := &person{t: t, answers: map[string][]string{
		"Issuer URL":             {companyIssuer},
		"Proxy of this network":  {strings.Replace(proxy.URL, "http://", "http://ana@", 1)},
		"Password of the proxy":  {"s3cret-wrong", "s3cret-of-the-proxy"},
		"your company's authori": {company.File + "x", company.File},
		"Client ID":              {"0oa1"},
		"Client secret":          {"s3cret-of-the-client"},
		"Tunnel":                 {"none"},
		"if something else bri":  {""},
		"Who may sign in?":       {"ana@example.com"},
	}}
	r.Terminal = p
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	if n := r.config(t).Network; n.Proxy != strings.Replace(proxy.URL, "http://", "http://ana@", 1) || n.CAFile != company.File {
		t.Errorf("saved %+v", n)
	}
	if got := r.stored(t, keystore.ProxyPassword); got != "s3cret-of-the-proxy" {
		t.Errorf("the password stored is %q", got)
	}
	says(t, r.out.String(), "if this network has a proxy", "does not accept the user name and password", "signed by Company CA", "authority can't be read")
	for part, left := range p.answers {
		if len(left) > 0 {
			t.Errorf("%q was asked %d times too few", part, len(left))
		}
	}
}

// Who has nothing to say goes on: the provider may be away for a day.
func TestNothingToSayOfTheNetwork(t *testing.T) {
	r := newRig(t)
	r.Wizard = way()
	r.Terminal = &person{t: t, answers: map[string][]string{
		"Issuer URL": {companyIssuer}, "Proxy of this network": {""}, "Client ID": {"0oa1"}, "Client secret": {secret}, "Tunnel": {"none"}, "if something else bri": {""}, "Who may sign in?": {"ana@example.com"},
	}}
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	if n := r.config(t).Network; n.Proxy != "" || n.CAFile != "" || n.NoProxy != nil {
		t.Errorf("saved %+v", n)
	}
}
