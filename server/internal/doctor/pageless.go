package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// pageless looks at what a sign-in needs for which the company's provider
// vouches. The clock is looked at with the public URL.
func (p Patient) pageless(ctx context.Context) (string, string) {
	var ids []string
	for _, c := range p.Clients {
		if c.Known && slices.Contains(c.Grants, "jwt-bearer") {
			ids = append(ids, c.ID)
		}
	}
	for _, issuer := range p.Config.Trusted() {
		u, err := url.Parse(issuer)
		if err == nil && idp.NameOf(issuer) == "Okta" && u.Path != "" {
			return issuer + " is a custom authorization server, and Okta vouches for people as its own", "Write `issuers = [\"" + u.Scheme + "://" + u.Host + "\"]` under [enterprise] in config.toml."
		}
		provider := idp.New(idp.Config{Issuer: issuer, ClientID: p.Config.IDP.ClientID, HTTPClient: p.Network.Client(checkTime)})
		if err := provider.Check(ctx); err != nil {
			var pe *oauth.ProviderError
			if errors.As(err, &pe) {
				err = errors.New(pe.Message)
			}
			return "the keys of " + issuer + " can't be had", err.Error()
		}
	}
	if p.Running && !p.tells(ctx) {
		return "what clients read at the public URL does not say that assertions are taken", "Look at the check of the public URL: another server, or another version of Drawbridge, answers there."
	}
	if len(ids) == 0 {
		return "no client may bring an assertion yet", "Add one under Clients in the console, or with `drawbridge client add NAME`."
	}
	return "at the provider the resource app has the issuer URL " + cmp.Or(p.PublicURL, "that the tunnel gives") + ", and the requesting app the client ID " + strings.Join(ids, ", "), ""
}

// tells reports whether the metadata that clients read names the grant.
func (p Patient) tells(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.PublicURL+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return false
	}
	resp, err := p.Network.Client(checkTime).Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var said struct {
		Profiles []string `json:"authorization_grant_profiles_supported"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said)
	return slices.Contains(said.Profiles, "urn:ietf:params:oauth:grant-profile:id-jag")
}
