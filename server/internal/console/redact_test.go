package console

import (
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestRedact(t *testing.T) {
	snap := status.Snapshot{
		Status: status.Status{MCPURL: "https://name.ngrok.app/mcp", Issuer: "https://name.ngrok.app",
			IDP: status.IDP{Issuer: "https://dev-123.okta.com/oauth2/ausSecretServer"}},
		Sessions: []status.Session{{ID: "s-1", User: status.User{Sub: "00u1abc", Email: "ana@example.com", Name: "Ana Lima"}, Client: status.SessionClient{ID: "dcr-xyz"}}},
	}
	report := redact(strings.Join([]string{
		"issuer https://dev-123.okta.com/oauth2/ausSecretServer, MCP URL https://name.ngrok.app/mcp",
		"https://NAME.ngrok.app answers; session s-1 of Ana Lima (00u1abc, ana@example.com) with dcr-xyz",
		"addresses bob@corp.example, 佐藤@例え.jp; domains corp.example; groups staff, night shift",
		`see /home/ana/.config/drawbridge/config.toml, /Users/ana.lima/x, C:\Users\Ana\AppData and 127.0.0.1:8000`,
		"dial tcp 203.0.113.80:443 and [2001:db8::1:2:3]:443: refused; client id 0oa1b2c3d4e5f6g7h8i9",
		"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0 and https://sso.corp.example/realms/secret-realm",
		"run `drawbridge doctor`, look at drawbridge.log; claude.ai may connect",
	}, "\n"), snap)
	for _, secret := range []string{"okta", "ausSecret", "name.ngrok", "NAME", "session s-1", "Ana", "ana", "00u1", "dcr-xyz", "bob", "corp", "佐藤", "例え", "staff", "night",
		"203.0", "2001:db8", "0oa1", "1111", "microsoft", "secret-realm"} {
		if strings.Contains(report, secret) {
			t.Errorf("the report holds %q:\n%s", secret, report)
		}
	}
	for _, useful := range []string{"127.0.0.1:8000", "config.toml", "`drawbridge doctor`", "drawbridge.log", "claude.ai", ":443", "/mcp", "/home/[user-1]/"} {
		if !strings.Contains(report, useful) {
			t.Errorf("the report lacks %q:\n%s", useful, report)
		}
	}
	first, _, _ := strings.Cut(report, "\n")
	host := first[strings.Index(first, "MCP URL https://")+len("MCP URL https://"):]
	host, _, _ = strings.Cut(host, "/")
	if !strings.Contains(report, "https://"+host+" answers") {
		t.Errorf("one host has two names:\n%s", report)
	}
}
