package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// chromiumReport is what clients/chromium.mjs answers.
type chromiumReport struct {
	Problems []string
	Texts    []string // the page's text, one a view
	URL      string
}

func startChromium(t *testing.T) *Script {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return StartScript(t, nil, "clients/chromium.mjs", path)
		}
	}
	missing(t, "chromium")
	return nil
}

func (s *Script) ask(t *testing.T, command any) (r chromiumReport) {
	t.Helper()
	s.Write(command)
	s.Read(&r)
	for _, problem := range r.Problems {
		t.Error(problem)
	}
	return r
}

// The pages people see stay within the screen and raise no error in Chromium,
// by day and night, on a phone and a desk. The pictures land in out/.
func TestPages(t *testing.T) {
	app := StartApp(t, AppOptions{})
	client := app.Register(t, clientURI)
	chromium := startChromium(t)
	document := ServeMetadata(t, clientURI).Client()
	wrongRedirect := app.NewAuthRequest(client)
	wrongRedirect.Values.Set("redirect_uri", "https://evil.example/callback")
	for _, page := range []struct{ name, url, says string }{
		{"consent", app.NewAuthRequest(client).URL(app), "localhost"},
		{"consent-document", app.NewAuthRequest(document).URL(app), "metadata client"},
		{"error", wrongRedirect.URL(app), "redirect"},
		{"home", app.URL + "/", app.MCPURL},
	} {
		t.Run(page.name, func(t *testing.T) {
			file, err := filepath.Abs("out/" + page.name)
			if err != nil {
				t.Fatal(err)
			}
			r := chromium.ask(t, map[string]string{"do": "pictures", "url": page.url, "file": file})
			if len(r.Texts) != 4 {
				t.Fatalf("%d views, want 4", len(r.Texts))
			}
			if !strings.Contains(strings.ToLower(r.Texts[0]), page.says) {
				t.Errorf("the page does not say %q: %s", page.says, clip(r.Texts[0]))
			}
		})
	}
}

// A person signs in in Chromium with the keyboard alone. Only a real browser
// tells whether cookies and form-action let the chain of redirects pass, from
// our page to the provider and on to the client.
func TestSignInWithKeyboard(t *testing.T) {
	app := StartApp(t, AppOptions{})
	waiting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<link rel=icon href="data:,"><p id=client-page>back at the client`)
	}))
	defer waiting.Close()
	client := app.Register(t, strings.Replace(waiting.URL, "127.0.0.1", "localhost", 1)+"/callback")
	req := app.NewAuthRequest(client)
	r := startChromium(t).ask(t, map[string]string{"do": "signIn", "url": req.URL(app), "user": "alice"})
	if t.Failed() {
		return
	}
	back := NewBrowser(t).parse(r.URL).Query()
	if back.Get("state") != req.Values.Get("state") {
		t.Error("another state came back")
	}
	tokens := app.mustTokens(t, app.Redeem(t, req, back.Get("code")))
	if got := app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Errorf("echo gave %q", got)
	}
}
