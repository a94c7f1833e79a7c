package security

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// It handles everything that can go well and wrong in a sign-in's life without
// letting a secret into a log, an event, a file, or an answer of the control
// side.
func TestSecNothingLeaks(t *testing.T) {
	idp := rig.NewSpy(t)
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	secrets := leakTour(t, app, idp)
	secrets = append(secrets, idp.Secrets()...)
	dataKey, err := app.Options.Keystore.Get(t.Context(), keystore.DataKey)
	if err != nil {
		t.Fatal(err)
	}
	address := rig.ReadControlFile(t, app)
	secrets = append(secrets, dataKey.Reveal())

	places := map[string][]byte{}
	snapshot, err := json.Marshal(app.Snapshot(t))
	if err != nil {
		t.Fatal(err)
	}
	places["the snapshot"] = bytes.ReplaceAll(snapshot, []byte(address.Key), nil) // of use only to who has it
	for _, path := range []string{"/api/status", "/api/sessions", "/api/clients", "/api/events", "/api/attempts"} {
		places[path] = bytes.ReplaceAll([]byte(address.Get(t, path).Body), []byte(address.Key), nil)
	}
	app.Stop()
	places["the log"] = []byte(app.Log.String())
	err = filepath.WalkDir(app.Options.DataDir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			places[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(places) < 7 || len(places["the log"]) < 1000 || len(secrets) < 60 {
		t.Fatalf("%d places, %d bytes of log, %d secrets: too little to mean anything", len(places), len(places["the log"]), len(secrets))
	}
	places["the log"] = append(places["the log"], '\n')
	secrets = append(secrets, address.Key)
	for where, text := range places {
		text = bytes.ReplaceAll(text, []byte("dbc_eyJ"), nil) // a client's id is its metadata in JSON, and no secret
		for i, secret := range secrets {
			for _, form := range []string{secret, url.QueryEscape(secret)} {
				if len(secret) >= 12 && bytes.Contains(text, []byte(form)) {
					t.Errorf("secret %d (%d characters, %.4s…) is in %s", i, len(secret), secret, where)
				}
			}
		}
		for _, sign := range []string{"dba_", "dbr_", "eyJ", "code=", "state=", "code_verifier", "access_token=", "?client_id", "csrf=", "Bearer "} {
			if i := bytes.Index(text, []byte(sign)); i >= 0 && !strings.HasSuffix(where, ".db") {
				t.Errorf("%q is in %s: %s", sign, where, rig.Clip(string(text[max(0, i-80):])))
			}
		}
	}
}

// leakTour takes every way through the app and returns what was secret on it.
func leakTour(t *testing.T, app *rig.App, idp *rig.Spy) (secrets []string) {
	c := app.Register(t, rig.ClientURI)
	keep := func(more ...string) { secrets = append(secrets, more...) }
	visit := func(b *rig.Browser) {
		for _, u := range b.Trail {
			if len(u.RawQuery) > 20 {
				keep(u.RawQuery)
			}
			for name, values := range u.Query() {
				if name == "code" || name == "state" || name == "nonce" || name == "code_challenge" {
					keep(values...)
				}
			}
		}
		for _, cookie := range b.Cookies(app.URL) {
			keep(cookie.Value)
		}
	}
	signIn := func() (rig.Tokens, string, *rig.AuthRequest) {
		b, req := rig.NewBrowser(t), app.NewAuthRequest(c)
		p := b.OpenUntil(req.URL(app), rig.ClientURI)
		visit(b)
		if form, ok := p.FormWith("csrf"); ok {
			keep(form.Values.Get("csrf"))
		}
		p = b.Walk(p, "", rig.ClientURI)
		visit(b)
		code := p.Query("code")
		keep(code, req.Verifier, req.Values.Get("state"))
		tokens := app.MustTokens(t, app.Redeem(t, req, code))
		keep(tokens.Access, tokens.Refresh)
		return tokens, code, req
	}
	// What goes well, and the ends of it.
	tokens, code, req := signIn()
	app.MustWorkWith(t, tokens.Access)
	next := app.MustRefresh(t, c, tokens.Refresh)
	keep(next.Access, next.Refresh)
	app.Redeem(t, req, code) // replay
	app.MustBeDead(t, c, next)
	tokens, _, _ = signIn()
	app.Revoke(t, c, tokens.Access)
	tokens, _, _ = signIn()
	app.RevokeSession(t, app.Sessions(t)[0].ID)
	tokens, _, _ = signIn()
	_, code, req = signIn()

	// Requests that put secrets where they don't belong.
	form := "application/x-www-form-urlencoded"
	misplaced := "access_token=" + tokens.Access
	app.Do(t, "POST", "/mcp?"+misplaced, strings.NewReader("{}"), "Content-Type", "application/json")
	app.Do(t, "POST", "/mcp", strings.NewReader(misplaced), "Content-Type", form)
	app.Do(t, "POST", "/mcp", nil, "Authorization", "Bearer "+tokens.Refresh)
	app.Do(t, "POST", "/mcp", nil, "Authorization", "Bearer "+tokens.Access+"x")
	app.Do(t, "GET", "/"+tokens.Access, nil)
	app.Do(t, "GET", "/token?refresh_token="+tokens.Refresh, nil)
	app.Do(t, "GET", "/auth/callback?code="+code+"&state="+code, nil)
	app.Do(t, "GET", "/auth/callback?error="+code+"&error_description="+code+"&state="+code, nil, "Accept", "text/html")
	app.Do(t, "GET", "/consent?flow="+code, nil, "Accept", "text/html")
	app.Do(t, "POST", "/token", strings.NewReader("grant_type="+code+"&client_id="+c.ID), "Content-Type", form)
	app.Do(t, "POST", "/token", strings.NewReader("%zz="+code), "Content-Type", form)
	app.Do(t, "POST", "/token", strings.NewReader(`{"code":"`+code+`"}`), "Content-Type", "application/json")
	app.Do(t, "POST", "/token", strings.NewReader("grant_type=refresh_token&client_id=x&refresh_token="+tokens.Refresh), "Content-Type", form, "Authorization", "Basic "+code)
	app.Do(t, "POST", "/revoke", strings.NewReader("token="+tokens.Access+"&client_id="+code), "Content-Type", form)
	app.Do(t, "POST", "/register", strings.NewReader(`{"redirect_uris":["http://localhost/?x=`+code+`#`+code+`"]}`), "Content-Type", "application/json")
	wrong := app.NewAuthRequest(c)
	wrong.Values.Set("redirect_uri", "https://evil.example/?"+code)
	rig.NewBrowser(t).Open(wrong.URL(app))
	wrong = app.NewAuthRequest(c)
	wrong.Values.Set("client_id", code)
	rig.NewBrowser(t).Open(wrong.URL(app))
	wrong = app.NewAuthRequest(c)
	wrong.Values.Set("scope", "openid \""+code)
	rig.NewBrowser(t).OpenUntil(wrong.URL(app), rig.ClientURI)
	app.Redeem(t, req, code, "code_verifier", req.Verifier+"x")

	// A provider that repeats our secrets in its errors, and one that is away.
	echo := func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_client",
			"error_description": "secret=" + demo.ClientSecret + " wrong for code " + r.PostForm.Get("code") + " " + r.PostForm.Get("refresh_token") + " " + r.Header.Get("Authorization")})
	}
	idp.Answer("/token", echo)
	app.Refresh(t, c, tokens.Refresh)
	app.TrySignIn(t, c)
	idp.Answer("/revoke", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.FormValue("token"), http.StatusBadRequest)
	})
	app.Revoke(t, c, tokens.Refresh)
	idp.Answer("/token", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	app.TrySignIn(t, c)
	idp.Answer("/token", nil)
	idp.Answer("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"error": {"server_error"}, "error_description": {"state " + q.Get("state")}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	app.TrySignIn(t, c)
	idp.Answer("/authorize", nil)
	return secrets
}
