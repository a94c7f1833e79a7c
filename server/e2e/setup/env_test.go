package setup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/setup"
)

// A FastMCP server's .env names a domain. Which authorization server stands there
// is found out and said; the one that FastMCP used is kept where it does.
func TestSetupFromEnv(t *testing.T) {
	for shape, says := range map[string]string{"org": ", as FastMCP used it", "custom": "answers with one authorization server"} {
		t.Run(shape, func(t *testing.T) {
			okta := rig.StartOkta(t, shape)
			dir := t.TempDir()
			env := "OKTA_DOMAIN=" + strings.TrimSuffix(okta.Issuer, "/oauth2/default") + "\nOKTA_CLIENT_ID=" + okta.ClientID + "\nOKTA_CLIENT_SECRET=" + okta.ClientSecret + "\nBASE_URL=https://name.ngrok.app\n"
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(env), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			file := filepath.Join(dir, "config.toml")
			err := setup.Run(t.Context(), setup.Options{ConfigPath: file, Keystore: keystore.Memory(), In: strings.NewReader(""), Out: &out, FromEnv: filepath.Join(dir, ".env"), Anyone: true})
			if err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			c, err := config.Load(file)
			if err != nil || c.IDP.Issuer != okta.Issuer || c.Tunnel.Domain != "name.ngrok.app" {
				t.Errorf("saved %+v, %v", c, err)
			}
			for _, want := range []string{"The issuer is " + okta.Issuer, says, "https://name.ngrok.app/auth/callback"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in:\n%s", want, &out)
				}
			}
		})
	}
}
