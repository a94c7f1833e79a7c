package security

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// T14, fastmcp #4400, #4426: a client id that leads to this computer or its
// network is not fetched, in whatever spelling. Only dialling tells: which
// addresses are blocked, and what of names that change, is tested there.
func TestSecFetchReachesNothingHere(t *testing.T) {
	port, caught := listenEverywhere(t)
	app := rig.StartApp(t, rig.AppOptions{RealFetch: true})
	for _, host := range []string{"localhost", "127.0.0.1", "127.0.0.2", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
		"[2002:7f00:1::1]", "[2001:0:7f00:1::1]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "198.18.0.1", "[fd00:ec2::254]"} {
		id := "https://" + host + ":" + port + "/client.json"
		wantNoWay(t, app, id, app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI}).Values)
		reply := app.Redeem(t, app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI}), "x")
		reply.Want(t, http.StatusUnauthorized, "invalid_client")
	}
	for _, id := range []string{"https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/x", "https://127.0.0.1:22/x", "https://localhost:0/x"} {
		wantNoWay(t, app, id, app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI}).Values)
	}
	if n := caught.Load(); n != 0 {
		t.Errorf("%d connections came in", n)
	}
}

// listenEverywhere listens on one port of both loopback addresses and counts
// who connects.
func listenEverywhere(t *testing.T) (port string, caught *atomic.Int64) {
	t.Helper()
	caught = &atomic.Int64{}
	four, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(four.Addr().String())
	listeners := []net.Listener{four}
	if six, err := net.Listen("tcp", "[::1]:"+port); err == nil {
		listeners = append(listeners, six)
	}
	for _, l := range listeners {
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				caught.Add(1)
				_ = conn.Close()
			}
		}()
	}
	return port, caught
}

// T13: the document allows what the owner's list does not; then nobody gets in.
func TestSecDocumentAgainstTheList(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{Config: func(c *config.Config) { c.Clients.RedirectURIs = []string{rig.ClaudeURI} }})
	document := rig.Publish(t, rig.ClaudeURI, rig.ChatURI, rig.ClientURI, rig.EvilURI)
	for _, uri := range []string{rig.ChatURI, rig.ClientURI, rig.EvilURI} {
		wantNoWay(t, app, uri, app.NewAuthRequest(rig.Client{ID: document.ID, RedirectURI: uri}).Values)
	}
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(rig.Client{ID: document.ID, RedirectURI: rig.ClaudeURI}).URL(app))
}

// T13, fastmcp #3098: a document is asked for again when HTTP says so, so what
// its owner changed or withdrew counts from then on.
func TestSecDocumentCache(t *testing.T) {
	const minute = time.Minute
	for _, c := range []struct {
		header []string // of the document, by name and value
		fresh  time.Duration
	}{
		{nil, 5 * minute}, // our own choice where nothing is said
		{[]string{"Cache-Control", "max-age=60"}, minute},
		{[]string{"Cache-Control", "public, Max-Age=\"60\""}, minute},
		{[]string{"Cache-Control", "max-age=90", "Age", "30"}, minute},
		{[]string{"Cache-Control", "max-age=86400"}, 24 * 60 * minute},
		{[]string{"Cache-Control", "max-age=31536000"}, 24 * 60 * minute},
		{[]string{"Cache-Control", "max-age=9000000000000000000"}, 24 * 60 * minute},
		{[]string{"Cache-Control", "max-age=0"}, 0},
		{[]string{"Cache-Control", "max-age=-5"}, 0},
		{[]string{"Cache-Control", "max-age=soon"}, 0},
		{[]string{"Cache-Control", "max-age=60", "Age", "3600"}, 0},
		{[]string{"Cache-Control", "no-store"}, 0},
		{[]string{"Cache-Control", "no-cache"}, 0},
		{[]string{"Cache-Control", "no-store, max-age=3600"}, 0},
		{[]string{"Cache-Control", "max-age=3600, no-store"}, 0},
		{[]string{"Cache-Control", "max-age=3600,must-revalidate,NO-CACHE"}, 0},
		{[]string{"Cache-Control", "max-age=3600", "Cache-Control", "no-store"}, 0}, // RFC 9110 §5.3: two lines are one list
		{[]string{"Cache-Control", "max-age=3600", "Expires", "Thu, 01 Jan 1970 00:00:00 GMT"}, 60 * minute},
		{[]string{"Expires", "Thu, 01 Jan 1970 00:00:00 GMT"}, 0},
		{[]string{"Expires", "0"}, 0}, // RFC 9111 §5.3: malformed is the past
		{[]string{"Date", "Thu, 01 Jan 2026 00:00:00 GMT", "Expires", "Thu, 01 Jan 2026 00:01:00 GMT"}, minute},
	} {
		t.Run(strings.Join(c.header, " "), func(t *testing.T) {
			var passed atomic.Int64 // nanoseconds
			began := time.Now()
			app := rig.StartApp(t, rig.AppOptions{Now: func() time.Time { return began.Add(time.Duration(passed.Load())) }})
			document := rig.Publish(t, rig.ClientURI)
			document.Answer(http.StatusOK, c.header...)
			req := app.NewAuthRequest(document.Client())
			open := func(after time.Duration, reads int) {
				t.Helper()
				passed.Store(int64(after))
				flowInHand(t, rig.NewBrowser(t), req.URL(app))
				if n := document.Reads(); n != reads {
					t.Errorf("fetched %d times after %v, want %d", n, after, reads)
				}
			}
			open(0, 1)
			if c.fresh == 0 {
				open(0, 2)
				return
			}
			open(c.fresh-time.Second, 1)
			open(c.fresh, 2)
			open(2*c.fresh-time.Second, 2)
			// The last copy is never used past its time.
			for _, status := range []int{http.StatusBadGateway, http.StatusNotFound} {
				document.Answer(status)
				passed.Store(int64(2 * c.fresh))
				reply := app.Get(t, strings.TrimPrefix(req.URL(app), app.URL))
				if reply.Status/100 == 3 || reply.Header.Get("Location") != "" {
					t.Errorf("a document that is gone (%d) began a sign-in", status)
				}
			}
		})
	}
}

// T13: what changes in a document holds from the next fetch on, for those who
// began with the old one too; sessions go on (their tokens are ours).
func TestSecDocumentChanges(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	document := rig.Publish(t, rig.ClientURI)
	document.Answer(http.StatusOK, "Cache-Control", "no-store")
	client := document.Client()
	tokens := app.SignIn(t, rig.NewBrowser(t), client, "alice")

	document.Set("redirect_uris", []string{rig.ClaudeURI})
	wantNoWay(t, app, "a redirect URI taken out", app.NewAuthRequest(client).Values)
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(rig.Client{ID: document.ID, RedirectURI: rig.ClaudeURI}).URL(app))
	document.Set("redirect_uris", []string{rig.ClientURI})

	for _, status := range []int{http.StatusNotFound, http.StatusGone, http.StatusForbidden} {
		document.Answer(status)
		wantNoWay(t, app, "withdrawn", app.NewAuthRequest(client).Values)
	}
	tokens = app.MustRefresh(t, client, tokens.Refresh)
	document.Answer(http.StatusOK)
	req := app.NewAuthRequest(client)
	code := app.Code(t, rig.NewBrowser(t), req, "alice")

	// From a public client to one with keys: from then on it has to prove it.
	document.Set("token_endpoint_auth_method", "private_key_jwt")
	document.Set("jwks", map[string]any{"keys": []any{}})
	app.Redeem(t, req, code).Want(t, http.StatusUnauthorized, "invalid_client")
	app.Refresh(t, client, tokens.Refresh).Want(t, http.StatusUnauthorized, "invalid_client")
	app.Revoke(t, client, tokens.Refresh).Want(t, http.StatusUnauthorized, "invalid_client")
	document.Set("token_endpoint_auth_method", "none")
	app.MustTokens(t, app.Redeem(t, req, code))
	app.MustRefresh(t, client, tokens.Refresh)
}

// T13: it handles a document that can't be had for a while. Who has signed in
// with that client can again, for a week, across a restart; a stranger can't, and
// doctor says so. What is said names host and reason.
func TestSecDocumentAway(t *testing.T) {
	var passed atomic.Int64 // nanoseconds
	began := time.Now()
	app := rig.StartApp(t, rig.AppOptions{Now: func() time.Time { return began.Add(time.Duration(passed.Load())) }})
	document, stranger := rig.Publish(t, rig.ClientURI), rig.Publish(t, rig.ClientURI)
	for _, d := range []*rig.Published{document, stranger} {
		d.Answer(http.StatusOK, "Cache-Control", "no-store")
	}
	app.SignIn(t, rig.NewBrowser(t), document.Client(), "alice")
	document.Answer(http.StatusServiceUnavailable)
	stranger.Answer(http.StatusServiceUnavailable)
	app.Stop()
	app.Start()

	refused := func(who string, d *rig.Published) {
		t.Helper()
		reply := app.Get(t, strings.TrimPrefix(app.NewAuthRequest(d.Client()).URL(app), app.URL))
		if reply.Status != http.StatusServiceUnavailable || !strings.Contains(reply.Body, "localhost") || !strings.Contains(reply.Body, "status 503") {
			t.Errorf("%s: answered %d, without host and reason: %s", who, reply.Status, reply.Body)
		}
	}
	refused("a client that nobody has signed in with", stranger)
	tokens := app.SignIn(t, rig.NewBrowser(t), document.Client(), "alice")
	wantNoWay(t, app, "a redirect URI that it never had", app.NewAuthRequest(rig.Client{ID: document.ID, RedirectURI: rig.ClaudeURI}).Values)
	found := ""
	for _, c := range app.Srv.Doctor(t.Context()) {
		if c.Name == "client documents" {
			found = c.Result
		}
	}
	if !strings.Contains(found, "localhost") || !strings.Contains(found, "503") {
		t.Errorf("doctor says %q", found)
	}
	passed.Store(int64(6 * 24 * time.Hour))
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(document.Client()).URL(app))
	passed.Store(int64(7*24*time.Hour + time.Minute))
	refused("after a week", document)
	passed.Store(0)
	app.MustRefresh(t, document.Client(), tokens.Refresh)
	document.Answer(http.StatusOK)
	app.SignIn(t, rig.NewBrowser(t), document.Client(), "alice")
}
