package resource

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// store knows one token.
type store struct {
	life  context.Context // of the grant
	end   func()
	asked []string // resource and remote
}

func newStore() *store {
	s := &store{}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

func (s *store) Authenticate(token, resource, remote string) (*oauth.Caller, context.Context, error) {
	s.asked = append(s.asked, resource+" "+remote)
	if token != "dba_good" {
		return nil, nil, errors.New("unknown token")
	}
	return &oauth.Caller{Session: "g1", Remote: remote}, s.life, nil
}

const metadataURL = public + "/.well-known/oauth-protected-resource/mcp"

func guarded(change ...func(*Options)) (*store, http.Handler) {
	s := newStore()
	o := Options{
		Resource: public + "/mcp", MetadataURL: metadataURL,
		Scopes: []string{"openid", "profile", "email", "offline_access"}, Auth: s,
	}
	for _, c := range change {
		c(&o)
	}
	return s, New(o).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "reached by "+oauth.CallerOf(r.Context()).Session)
	}))
}

// It handles each way to have no good token (RFC 6750 §3.1, RFC 9728 §5.1;
// RS-2, RS-3, RS-5, RS-7, RS-9).
func TestGuard(t *testing.T) {
	const where = `resource_metadata="` + metadataURL + `", scope="openid profile email"`
	const invalid = `Bearer error="invalid_token", error_description="The access token is unknown, expired or revoked.", ` + where
	for name, c := range map[string]struct {
		target  string
		headers []string
		status  int
		want    string // WWW-Authenticate
	}{
		"a good token":         {"/mcp", []string{"Authorization: Bearer dba_good"}, 200, ""},
		"bearer in lower case": {"/mcp", []string{"Authorization: bearer dba_good"}, 200, ""}, // RFC 9110 §11.1
		"no token":             {"/mcp", nil, 401, "Bearer " + where},
		"another token":        {"/mcp", []string{"Authorization: Bearer dba_bad"}, 401, invalid},
		"Basic":                {"/mcp", []string{"Authorization: Basic dXNlcjpwdw=="}, 401, invalid},
		"only a scheme":        {"/mcp", []string{"Authorization: Bearer"}, 401, invalid},
		"an empty token":       {"/mcp", []string{"Authorization: Bearer "}, 401, invalid},
		"an empty header":      {"/mcp", []string{"Authorization: "}, 401, invalid},
		"two headers":          {"/mcp", []string{"Authorization: Bearer dba_good", "Authorization: Bearer dba_good"}, 401, invalid},
		"a huge token":         {"/mcp", []string{"Authorization: Bearer " + strings.Repeat("x", 5000)}, 401, invalid},
		"a token in the query": {"/mcp?access_token=dba_good", nil, 400, `Bearer error="invalid_request"`},
		"tokens in both":       {"/mcp?a=b&access_token=dba_good", []string{"Authorization: Bearer dba_good"}, 400, `Bearer error="invalid_request"`},
		"another query":        {"/mcp?a=b", []string{"Authorization: Bearer dba_good"}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, h := guarded()
			w := ask(h, "POST", c.target, "name.example", c.headers...)
			got := w.Header().Get("WWW-Authenticate")
			if w.Code != c.status || !strings.HasPrefix(got, c.want) || (c.status == 401 && got != c.want) {
				t.Errorf("%d %q", w.Code, got)
			}
			if c.status == 200 {
				if w.Body.String() != "reached by g1" {
					t.Errorf("body %s", w.Body)
				}
				return
			}
			var body oauthError
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error == "" || body.Description == "" {
				t.Errorf("body %s", w.Body)
			}
			if w.Header().Get("Cache-Control") != "no-store" || strings.Contains(w.Body.String()+got, "dba_") {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		})
	}
}

// It handles /mcp/ as the same resource with metadata of its own.
func TestSlash(t *testing.T) {
	s, h := guarded(func(o *Options) { o.Resource += "/"; o.MetadataURL += "/" })
	w := ask(h, "POST", "/mcp/", "name.example")
	if !strings.Contains(w.Header().Get("WWW-Authenticate"), metadataURL+`/"`) {
		t.Errorf("%v", w.Header())
	}
	ask(h, "POST", "/mcp/", "name.example", "Authorization: Bearer dba_good", "X-Forwarded-For: 203.0.113.9")
	if want := public + "/mcp 192.0.2.1"; len(s.asked) != 1 || s.asked[0] != want {
		t.Errorf("asked for %q, want %q", s.asked, want)
	}
}

func TestPaused(t *testing.T) {
	_, h := guarded(func(o *Options) { o.Paused = func() bool { return true } })
	w := ask(h, "POST", "/mcp", "name.example", "Authorization: Bearer dba_good")
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "paused") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// It handles the end of a grant: what is in progress ends at once, and what
// comes later too, should it still have been let in.
func TestGrantEnds(t *testing.T) {
	s := newStore()
	started, stopped := make(chan struct{}), make(chan struct{})
	h := New(Options{Resource: public + "/mcp", Auth: s}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-r.Context().Done()
		stopped <- struct{}{}
	}))
	srv := httptest.NewServer(h)
	defer srv.Close()
	get := func() {
		q, _ := http.NewRequest("GET", srv.URL, nil)
		q.Header.Set("Authorization", "Bearer dba_good")
		if resp, err := http.DefaultClient.Do(q); err == nil {
			resp.Body.Close()
		}
	}
	for range 3 {
		go get()
		<-started
	}
	s.end()
	for range 3 {
		<-stopped
	}
	go get()
	<-started
	<-stopped
}

// It handles guessing: an address without a good token is slowed down, others
// and good tokens are not.
func TestFailuresAreLimited(t *testing.T) {
	now := time.Now()
	_, h := guarded(func(o *Options) { o.Now = func() time.Time { return now } })
	for i := range 200 {
		if w := ask(h, "POST", "/mcp", "name.example", "Authorization: Bearer dba_bad"); w.Code != 401 {
			t.Fatalf("failure %d: %d", i, w.Code)
		}
	}
	w := ask(h, "POST", "/mcp", "name.example", "Authorization: Bearer dba_bad", "X-Forwarded-For: 203.0.113.9")
	if w.Code != 429 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Header().Get("WWW-Authenticate"), metadataURL) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	// How a sign-in begins is never refused.
	for range 5000 {
		if w := ask(h, "POST", "/mcp", "name.example"); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
			t.Fatalf("without a token: %d %v", w.Code, w.Header())
		}
	}
	if w := ask(h, "POST", "/mcp", "name.example", "Authorization: Bearer dba_good"); w.Code != 200 {
		t.Errorf("good token: %d", w.Code)
	}
	now = now.Add(time.Second)
	if w := ask(h, "POST", "/mcp", "name.example", "Authorization: Bearer dba_bad"); w.Code != 401 {
		t.Errorf("a second later: %d", w.Code)
	}
}

// It handles a person who opens the MCP URL in a browser: a page, with the
// status and the headers that a program gets. Programs get no page.
func TestPage(t *testing.T) {
	pause := false
	_, h := guarded(func(o *Options) {
		o.Paused = func() bool { return pause }
		o.Page = func(w http.ResponseWriter, _ *http.Request, status int) {
			w.WriteHeader(status)
			io.WriteString(w, "<p>a page")
		}
	})
	const chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	for _, c := range []struct {
		method, accept string
		headers        []string
		page           bool
	}{
		{"GET", chrome, nil, true},
		{"GET", "text/html", nil, true},
		{"GET", "application/json;q=0.1, TEXT/HTML ;q=1", nil, true},
		{"GET", chrome, []string{"Authorization: Bearer dba_bad"}, true},
		{"GET", "", nil, false},
		{"GET", "*/*", nil, false},
		{"GET", "text/event-stream", nil, false},
		{"GET", "application/json, text/event-stream", nil, false},
		{"GET", "text/htmlx", nil, false},
		{"POST", chrome, nil, false},
		{"DELETE", chrome, nil, false},
	} {
		for _, pause = range []bool{false, true} {
			plain, w := ask(h, c.method, "/mcp", "name.example", c.headers...), ask(h, c.method, "/mcp", "name.example", append(c.headers, "Accept: "+c.accept)...)
			if (w.Body.String() == "<p>a page") != c.page {
				t.Errorf("%s, Accept %s: %s", c.method, c.accept, w.Body)
			}
			for _, name := range []string{"WWW-Authenticate", "Retry-After"} {
				if w.Code != plain.Code || w.Header().Get(name) != plain.Header().Get(name) || w.Code < 400 {
					t.Errorf("%s, Accept %s: %d %v", c.method, c.accept, w.Code, w.Header())
				}
			}
		}
	}
	pause = false
	if w := ask(h, "GET", "/mcp", "name.example", "Authorization: Bearer dba_good", "Accept: "+chrome); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "reached") {
		t.Errorf("a good token: %s", w.Body)
	}
}

func TestMetadata(t *testing.T) {
	h := Metadata(public+"/mcp", public, []string{"openid", "offline_access"})
	w := ask(h, "GET", "/", "name.example")
	want := `{"resource":"https://name.example/mcp","authorization_servers":["https://name.example"],"scopes_supported":["openid"],"bearer_methods_supported":["header"],"resource_name":"Drawbridge"}`
	if w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	if w := ask(h, "POST", "/", "name.example"); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
}

func FuzzBearer(f *testing.F) {
	f.Add("Bearer x")
	f.Add("bEARER  x ")
	f.Add("Basic x")
	f.Fuzz(func(t *testing.T, header string) {
		token, ok := bearer([]string{header})
		if ok && (token == "" || len(token) > maxToken || !strings.HasSuffix(strings.Trim(header, " "), token)) {
			t.Errorf("%q gives %q", header, token)
		}
	})
}

// It handles a cut: what is in progress ends, what comes later is served.
func TestCut(t *testing.T) {
	g := New(Options{Resource: public + "/mcp", Auth: newStore()})
	reached := make(chan struct{})
	h := g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/later" {
			if r.Context().Err() != nil {
				t.Error("what came later was cut too")
			}
			return
		}
		close(reached)
		<-r.Context().Done()
	}))
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		ask(h, "POST", "/mcp", "name.example", "Authorization: Bearer dba_good")
	}()
	<-reached
	g.Cut()
	<-answered
	ask(h, "POST", "/later", "name.example", "Authorization: Bearer dba_good")
}
