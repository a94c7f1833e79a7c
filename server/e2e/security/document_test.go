package security

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// T47: addresses that can't be a document's (§3 of the draft). None is asked.
func TestSecDocumentAddress(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	document := rig.Publish(t, rig.ClientURI)
	base, rest, _ := strings.Cut(strings.TrimPrefix(document.ID, "https://"), "/")
	for _, id := range []string{
		document.ID + "#fragment", document.ID + "#", "https://user:secret@" + base + "/" + rest, "https://user@" + base + "/" + rest, "https://@" + base + "/" + rest,
		"https://" + base, "https://" + base + "/", "https://" + base + "/?" + rest, "https://" + base + "/a/../" + rest, "https://" + base + "/./" + rest, "https://" + base + "/%2e%2e/" + rest,
		"https://" + base + "/a/%2E./" + rest, "https://" + base + "/" + rest + "/..", "https://" + base + "\\" + rest, "https://" + base + "/ " + rest, "https://" + base + "/ü" + rest,
		"https://" + base + "/\x00" + rest, "https://" + base + "/\r\nHost: x", "https:///" + rest, "https://:443/" + rest, "https:" + base + "/" + rest, "https://" + base + "/" + strings.Repeat("a", 2100),
		"http://" + base + "/" + rest, "HTTPS://" + base + "/" + rest, "file:///" + rest, "//" + base + "/" + rest, base + "/" + rest,
	} {
		wantNoWay(t, app, id, app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI}).Values)
	}
	if n := document.Reads(); n != 0 {
		t.Errorf("%d of them were fetched", n)
	}
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(document.Client()).URL(app))
}

// T47: what the document must be. A good one is among them, so that the others
// fail for their own reason.
func TestSecDocumentContent(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	for _, c := range []struct {
		name   string
		change func(*rig.Published)
		ok     bool
	}{
		{"a good one", func(*rig.Published) {}, true},
		{"fields that we don't know", func(m *rig.Published) { m.Set("software_id", map[string]any{"a": []int{1}}) }, true},
		{"just under 10 KB", func(m *rig.Published) { m.Set("x", strings.Repeat("x", 9<<10)) }, true},
		{"over 10 KB", func(m *rig.Published) { m.Set("x", strings.Repeat("x", 10<<10)) }, false},
		{"another client_id", func(m *rig.Published) { m.Set("client_id", "https://claude.ai/oauth/mcp-oauth-client-metadata") }, false},
		{"client_id with a slash more", func(m *rig.Published) { m.Set("client_id", m.ID+"/") }, false},
		{"client_id in capitals", func(m *rig.Published) { m.Set("client_id", strings.ToUpper(m.ID)) }, false},
		{"no client_id", func(m *rig.Published) { m.Set("client_id", nil) }, false},
		{"client_id that is a list", func(m *rig.Published) { m.Set("client_id", []string{m.ID}) }, false},
		{"no client_name", func(m *rig.Published) { m.Set("client_name", nil) }, false},
		{"client_name that shows nothing", func(m *rig.Published) { m.Set("client_name", " \u200b\u202e ") }, false},
		{"no redirect_uris", func(m *rig.Published) { m.Set("redirect_uris", nil) }, false},
		{"empty redirect_uris", func(m *rig.Published) { m.Set("redirect_uris", []string{}) }, false},
		{"redirect_uris that is no list", func(m *rig.Published) { m.Set("redirect_uris", rig.ClientURI) }, false},
		{"a wildcard", func(m *rig.Published) { m.Set("redirect_uris", []string{"http://localhost:7777/*", "*"}) }, false},
		{"another redirect URI", func(m *rig.Published) { m.Set("redirect_uris", []string{rig.ClaudeURI}) }, false},
		{"a secret", func(m *rig.Published) { m.Set("client_secret", "x") }, false},
		{"client_secret_post", func(m *rig.Published) { m.Set("token_endpoint_auth_method", "client_secret_post") }, false},
		{"client_secret_jwt", func(m *rig.Published) { m.Set("token_endpoint_auth_method", "client_secret_jwt") }, false},
		{"private_key_jwt without keys", func(m *rig.Published) { m.Set("token_endpoint_auth_method", "private_key_jwt") }, false},
		{"keys at plain http", func(m *rig.Published) {
			m.Set("token_endpoint_auth_method", "private_key_jwt")
			m.Set("jwks_uri", "http://localhost/jwks")
		}, false},
		{"no authorization_code", func(m *rig.Published) { m.Set("grant_types", []string{"client_credentials"}) }, false},
		{"404", func(m *rig.Published) { m.Answer(http.StatusNotFound) }, false},
		{"201", func(m *rig.Published) { m.Answer(http.StatusCreated) }, false},
		{"401", func(m *rig.Published) { m.Answer(http.StatusUnauthorized, "WWW-Authenticate", "Basic") }, false},
		{"redirect to itself", func(m *rig.Published) { m.Answer(http.StatusFound, "Location", m.ID+"?again") }, false},
		{"permanent redirect to a good one", func(m *rig.Published) {
			m.Answer(http.StatusPermanentRedirect, "Location", rig.Publish(t, rig.ClientURI).ID)
		}, false},
		{"refresh", func(m *rig.Published) { m.Answer(http.StatusNoContent, "Refresh", "0; url="+m.ID) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			document := rig.Publish(t, rig.ClientURI)
			document.Answer(http.StatusOK, "Cache-Control", "no-store")
			c.change(document)
			req := app.NewAuthRequest(rig.Client{ID: document.ID, RedirectURI: rig.ClientURI})
			if c.ok {
				flowInHand(t, rig.NewBrowser(t), req.URL(app))
				return
			}
			wantNoWay(t, app, c.name, req.Values)
			if n := document.Reads(); n != 3 {
				t.Errorf("fetched %d times for three requests", n)
			}
		})
	}
}

// T47: what is no JSON, and a server that keeps us waiting or never stops.
func TestSecDocumentServer(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	good := func(r *http.Request) string {
		return fmt.Sprintf(`{"client_id":"https://%s/client.json","client_name":"x","redirect_uris":[%q]}`, strings.Replace(r.Host, "127.0.0.1", "localhost", 1), rig.ClientURI)
	}
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(rig.Client{ID: rig.RawDocument(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, good(r)) }), RedirectURI: rig.ClientURI}).URL(app))
	for name, body := range map[string]string{"nothing": "", "HTML": "<!DOCTYPE html><title>x</title>", "a list": "[%s]", "two": "%[1]s%[1]s", "half": "%.40s", "null": "null", "deep": strings.Repeat("[", 9000)} {
		id := rig.RawDocument(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(body, "%") {
				fmt.Fprintf(w, body, good(r))
				return
			}
			fmt.Fprint(w, body)
		})
		wantNoWay(t, app, name, app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI}).Values)
	}

	unavailable := func(name, id string) {
		t.Helper()
		began := time.Now()
		reply := app.Get(t, "/authorize?"+app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI}).Values.Encode())
		reply.Want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		if reply.Header.Get("Retry-After") == "" || reply.Header.Get("Location") != "" || time.Since(began) > rig.Within(8*time.Second) {
			t.Errorf("%s: Retry-After %q, Location %q, after %v", name, reply.Header.Get("Retry-After"), reply.Header.Get("Location"), time.Since(began))
		}
	}
	endless := rig.RawDocument(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // stops when we hang up
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	wantNoWay(t, app, "endless", app.NewAuthRequest(rig.Client{ID: endless, RedirectURI: rig.ClientURI}).Values)
	unavailable("silent", rig.RawDocument(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // a return would be an empty answer, which may still be read
	}))
	unavailable("down", rig.RawDocument(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	unavailable("cut", rig.RawDocument(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "500")
		fmt.Fprint(w, good(r))
	}))
	untrusted := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, good(r)) }))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of being refused
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	unavailable("a certificate of nobody's", strings.Replace(untrusted.URL, "127.0.0.1", "localhost", 1)+"/client.json")
}
