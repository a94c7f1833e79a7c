package rig

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// WatchedProvider is the demo's provider behind a wall with a counter, so that
// a test sees whether it was asked. It can also pretend that a Drawbridge whose
// public URL is https is on loopback, which is all that the demo's provider
// takes.
type WatchedProvider struct {
	*demo.Provider
	Issuer string

	Mu       sync.Mutex // guards asked
	asked    map[string]int
	Callback string // https; "" if there is none to hide

	Secret string // of our client, if not the demo's

	// saw, if set before the first request, is told of each request, with its
	// body, and the answer.
	Saw func(r *http.Request, body []byte, answer *httptest.ResponseRecorder)
}

// standIn is what the provider sees instead of an https callback.
const standIn = "http://127.0.0.1:9/auth/callback"

func WatchProvider(t testing.TB, publicURL string) *WatchedProvider {
	t.Helper()
	w := &WatchedProvider{asked: map[string]int{}}
	if publicURL != "" {
		w.Callback = publicURL + "/auth/callback"
	}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	w.Issuer = srv.URL
	p, err := demo.New(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.Provider = p
	return w
}

// Asked returns how often path was requested.
func (p *WatchedProvider) Asked(path string) int {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return p.asked[path]
}

func (p *WatchedProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Mu.Lock()
	p.asked[r.URL.Path]++
	p.Mu.Unlock()
	if p.Callback == "" {
		p.Provider.ServeHTTP(w, r)
		return
	}
	hide := strings.NewReplacer(url.QueryEscape(p.Callback), url.QueryEscape(standIn))
	r.URL.RawQuery = hide.Replace(r.URL.RawQuery)
	body, _ := io.ReadAll(r.Body)
	body = []byte(hide.Replace(string(body)))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if id, secret, ok := r.BasicAuth(); ok && p.Secret != "" && secret == p.Secret {
		r.SetBasicAuth(id, demo.ClientSecret)
	}
	answer := httptest.NewRecorder()
	p.Provider.ServeHTTP(answer, r)
	if p.Saw != nil {
		p.Saw(r, body, answer)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	if to, ok := strings.CutPrefix(answer.Header().Get("Location"), standIn); ok {
		w.Header().Set("Location", p.Callback+to)
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
