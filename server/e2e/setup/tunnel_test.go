package setup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// Each refusal of ngrok's that has a cure comes from the real SDK to Setup as a
// sentence about the right field, in both languages, and without the authtoken.
func TestSetupTunnelRefusals(t *testing.T) {
	var refuse rig.Refusing
	e := rig.StartEdge(t, edge.Options{Refuse: refuse.At(false)})
	cas := filepath.Join(t.TempDir(), "edge.pem")
	if err := os.WriteFile(cas, e.CAs(), 0o600); err != nil {
		t.Fatal(err)
	}
	ngrok := tunnel.Ngrok{ConnectURL: e.AgentAddr(), ConnectCAs: cas, Version: "e2e",
		Authtoken: func(context.Context) (string, error) { return rig.Authtoken, nil }}
	fields := map[string]string{"ERR_NGROK_105": wizard.FieldAuthtoken, "ERR_NGROK_107": wizard.FieldAuthtoken, "ERR_NGROK_313": wizard.FieldTunnelDomain,
		"ERR_NGROK_319": wizard.FieldTunnelDomain, "ERR_NGROK_320": wizard.FieldTunnelDomain, "ERR_NGROK_334": wizard.FieldTunnelDomain}
	for code := range tunnel.Codes() {
		refuse.Say("No. Your authtoken: " + rig.Authtoken + "\r\n\r\n" + code + "\r\n")
		_, err := ngrok.Open(t.Context(), "https://"+e.Domain())
		if err == nil {
			t.Fatalf("%s: it opened", code)
		}
		p := wizard.FromTunnel(err)
		if want := fields[code]; want != "" && p.Field != want {
			t.Errorf("%s is about %s", code, p.Field)
		}
		ja := p.Sentence.In(assets.Translate("ja", p.Sentence.Text))
		if says := p.String(); !strings.HasSuffix(says, " ("+code+").") || strings.Contains(says, rig.Authtoken) || ja == says || !strings.Contains(ja, code) {
			t.Errorf("%s: %q, %q", code, says, ja)
		}
		if shown := wizard.TunnelSays(err.Error()); shown.Text != p.Sentence.Text {
			t.Errorf("%s: the status says %q", code, shown)
		}
	}
}
