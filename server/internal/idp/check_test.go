package idp

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestCheckClient(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		code   string
		kind   oauth.ProviderErrorKind
		says   string // "" if all is well
		state  string
	}{
		{"it handles a code that is refused", 400, "invalid_grant", 0, "", status.IDPOK},
		{"it handles a request that is refused", 400, "invalid_request", 0, "", status.IDPOK},
		{"it handles a wrong secret", 401, "invalid_client", misconfigured, "client secret", status.IDPMisconfigured},
		{"it handles an outage", 503, "", unreachable, "problem of its own", status.IDPUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.f.handle["/token"] = refuseWith(c.status, c.code, "")
			err := r.CheckClient(t.Context())
			if c.says == "" && err != nil {
				t.Error(err)
			}
			if c.says != "" {
				wantError(t, err, c.kind, c.says)
			}
			if got := r.State().State; got != c.state {
				t.Errorf("state %s", got)
			}
		})
	}
}
