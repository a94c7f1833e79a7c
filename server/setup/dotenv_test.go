package setup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
)

func TestFromEnv(t *testing.T) {
	for _, c := range []struct{ name, text, issuer, secret, url, domain string }{
		{"as it is written", "OKTA_DOMAIN=dev-1.okta.com\nOKTA_CLIENT_ID=0oa1\nOKTA_CLIENT_SECRET=s3cret\nBASE_URL=https://name.ngrok.app\n",
			"https://dev-1.okta.com", "s3cret", "", "name.ngrok.app"},
		{"with quotes, export, comments, CRLF", "\ufeff# my server\r\nexport OKTA_DOMAIN=\"dev-1.okta.com\" # dev\r\n  OKTA_CLIENT_ID = '0oa1'\r\n\r\nOKTA_CLIENT_SECRET=\"s3cret\\\"#\\n\"#x\r\nBASE_URL=https://name.ngrok.app/ # public\r\nPORT=8000\r\nnonsense",
			"https://dev-1.okta.com", "s3cret\"#\n", "", "name.ngrok.app"},
		{"with a scheme", "OKTA_DOMAIN=https://dev-1.okta.com/\nOKTA_CLIENT_ID=0oa1\nOKTA_CLIENT_SECRET='s3cret \\n $x'",
			"https://dev-1.okta.com", `s3cret \n $x`, "", ""},
		{"with a path", "OKTA_DOMAIN=dev-1.okta.com/oauth2/aus1\nOKTA_CLIENT_ID=0oa1\nOKTA_CLIENT_SECRET=s3cret#1=",
			"https://dev-1.okta.com/oauth2/aus1", "s3cret#1=", "", ""},
		{"the last one counts", "OKTA_CLIENT_ID=a\nOKTA_CLIENT_ID=0oa1\n#OKTA_CLIENT_ID=b\nOKTA_DOMAIN=https://dev-1.okta.com/oauth2/x\nOKTA_CLIENT_SECRET=\"s3cret\nBASE_URL=#none",
			"https://dev-1.okta.com/oauth2/x", `"s3cret`, "", ""},
		{"a public URL that is not ngrok's", "OKTA_CLIENT_ID=0oa1\nOKTA_DOMAIN=dev-1.okta.com\nOKTA_CLIENT_SECRET=s3cret\nBASE_URL=https://ngrok.app.example.com",
			"https://dev-1.okta.com", "s3cret", "https://ngrok.app.example.com", ""},
		{"an authtoken", "OKTA_CLIENT_ID=0oa1\nOKTA_DOMAIN=dev-1.okta.com\nOKTA_CLIENT_SECRET=s3cret\nBASE_URL=https://Name.ngrok-free.app\nNGROK_AUTHTOKEN=s3cret-token-of-some-length",
			"https://dev-1.okta.com", "s3cret", "", "name.ngrok-free.app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.FromEnv = write(t, c.text)
			err := r.run(t)
			if err == nil {
				t.Fatal("nobody said who may sign in")
			}
			says(t, err.Error(), "setup still needs who may sign in: --email")
			r.nothingSaved(t)

			r.Emails = []string{"ana@example.com"}
			if err := r.run(t); err != nil {
				t.Fatal(err)
			}
			got := r.config(t)
			if got.IDP.Issuer != c.issuer || got.IDP.ClientID != "0oa1" || got.PublicURL != c.url ||
				got.Tunnel.Domain != c.domain || (got.Tunnel.Provider == "ngrok") != (c.domain != "") {
				t.Errorf("saved %+v", got)
			}
			if s := r.stored(t, keystore.IDPClientSecret); s != c.secret {
				t.Errorf("stored %q, want %q", s, c.secret)
			}
			if _, token, _ := strings.Cut(c.text, "NGROK_AUTHTOKEN="); r.stored(t, keystore.NgrokAuthtoken) != token {
				t.Errorf("the authtoken is not %q", token)
			}
			says(t, r.out.String(), "delete it, or take the secret out", "/auth/callback")
		})
	}
}

func TestFromEnvAsksWhoMaySignIn(t *testing.T) {
	r := newRig(t)
	r.FromEnv = write(t, "OKTA_DOMAIN=dev-1.okta.com\nOKTA_CLIENT_ID=0oa1\nOKTA_CLIENT_SECRET=s3cret\n")
	p := &person{t: t, answers: map[string][]string{"Who may": {"anyone"}}}
	r.Terminal = p
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	if len(p.prompts) != 1 || !r.config(t).Access.Anyone {
		t.Errorf("asked %q", p.prompts)
	}
}

func TestFromEnvIncomplete(t *testing.T) {
	r := newRig(t)
	r.FromEnv, r.Anyone = write(t, "OKTA_CLIENT_SECRET=s3cret\nOKTA_DOMAIN=\n"), true
	err := r.run(t)
	if err == nil {
		t.Fatal("it was taken")
	}
	says(t, err.Error(), "does not set OKTA_DOMAIN and OKTA_CLIENT_ID")
	r.nothingSaved(t)
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func FuzzFromEnv(f *testing.F) {
	f.Add("export A=\"b\\n\" #c\r\nOKTA_DOMAIN='x'\nOKTA_CLIENT_ID=\"")
	f.Fuzz(func(t *testing.T, text string) {
		r := newRig(t)
		r.FromEnv, r.Anyone = write(t, text), true
		if err := r.Run(); err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q", err)
		}
	})
}
