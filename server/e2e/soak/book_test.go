//go:build linux

package soak

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretBook notes secrets in a file of its own, so that they take no memory of
// the process that is measured.
type secretBook struct {
	t    *testing.T
	file *os.File
}

func newSecretBook(t *testing.T) *secretBook {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "secrets"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &secretBook{t, f}
}

// keep notes secrets of a kind; each write is one, so that lines stay whole.
func (b *secretBook) keep(kind string, secrets ...string) {
	var lines strings.Builder
	for _, secret := range secrets {
		if len(secret) >= 12 {
			lines.WriteString(kind + "\t" + secret + "\n")
		}
	}
	if _, err := b.file.WriteString(lines.String()); err != nil {
		b.t.Errorf("a secret is not noted: %v", err)
	}
}

// provider notes what goes to and from the provider.
func (b *secretBook) provider(r *http.Request, body []byte, answer *httptest.ResponseRecorder) {
	form, _ := url.ParseQuery(string(body))
	back, _ := url.Parse(answer.Header().Get("Location"))
	for _, values := range []url.Values{form, r.URL.Query(), back.Query()} {
		for _, name := range []string{"code", "state", "nonce", "code_verifier", "refresh_token", "token", "client_assertion"} {
			b.keep("provider's "+name, values[name]...)
		}
	}
	var tokens map[string]any
	if json.NewDecoder(bytes.NewReader(answer.Body.Bytes())).Decode(&tokens) == nil {
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			if token, ok := tokens[name].(string); ok {
				b.keep("provider's "+name, token)
			}
		}
	}
}

// all returns each secret once, with its kind.
func (b *secretBook) all(t testing.TB) map[string]string {
	data, err := os.ReadFile(b.file.Name()) // with a place of its own in the file: others still write
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if kind, secret, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && found[secret] == "" {
			found[secret] = kind // as who saw it first calls it
		}
	}
	return found
}
