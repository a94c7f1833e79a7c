package doctor

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestPageless(t *testing.T) {
	var profiles []string
	public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/oauth-authorization-server" {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"authorization_grant_profiles_supported": profiles})
	}))
	defer public.Close()
	provider, err := demo.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	good := []string{"urn:ietf:params:oauth:grant-profile:id-jag"}
	claude := []status.Client{{ID: "dbk_1", Known: true, Grants: []string{"jwt-bearer"}}}
	for _, c := range []struct {
		name         string
		issuers      []string
		clients      []status.Client
		profiles     []string
		result, cure string
	}{
		{"all well", []string{provider.Issuer}, claude, good, "issuer URL " + public.URL + ", and the requesting app the client ID dbk_1", ""},
		{"no client", []string{provider.Issuer}, []status.Client{{ID: "dbk_2", Known: true, Grants: []string{"client_credentials"}}}, good, "no client", "drawbridge client add"},
		{"metadata of somebody else", []string{provider.Issuer}, claude, nil, "does not say", "public URL"},
		{"a provider that is away", []string{"http://127.0.0.1:1"}, claude, good, "the keys of http://127.0.0.1:1", "127.0.0.1:1"},
		{"a custom server of Okta's", []string{"https://dev-123.okta.com/oauth2/default"}, claude, good, "custom authorization server", `issuers = ["https://dev-123.okta.com"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			profiles = c.profiles
			p := patient(t)
			p.Config.Enterprise.Enabled, p.Config.Enterprise.Issuers = true, c.issuers
			p.Clients, p.PublicURL, p.Running, p.Network = c.clients, public.URL, true, outbound.New(outbound.Options{})
			result, cure := p.pageless(t.Context())
			if !strings.Contains(result, c.result) || !strings.Contains(cure, c.cure) || (cure == "") != (c.cure == "") {
				t.Errorf("%q, %q", result, cure)
			}
		})
	}
	for _, check := range Run(t.Context(), patient(t)) {
		if check.Name == "sign-in without a page" {
			t.Error("what is off is checked")
		}
	}
}
