package updates

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

const notes = "https://github.com/drawbridge-app/drawbridge/releases/tag/v1.2.0"

func TestLook(t *testing.T) {
	for _, c := range []struct {
		name, body string
		says       string // of the error; "" is none
	}{
		{"a release", `{"tag_name":"v1.2.0","html_url":"` + notes + `","assets":[{"name":"x"}]}`, ""},
		{"a tag without v", `{"tag_name":"1.2.0","html_url":"` + notes + `"}`, ""},
		{"a page", "<!doctype html><title>Not Found</title>", "no JSON"},
		{"nothing", "", "no JSON"},
		{"a list", `[{"tag_name":"v1.2.0"}]`, "no JSON"},
		{"endless JSON", `{"x":"` + strings.Repeat("x", 2<<20), "no JSON"},
		{"no tag", `{"html_url":"` + notes + `"}`, "no version"},
		{"half a version", `{"tag_name":"v1.2","html_url":"` + notes + `"}`, "no version"},
		{"a version with words", `{"tag_name":"v1.2.0 click here","html_url":"` + notes + `"}`, "no version"},
		{"a release candidate", `{"tag_name":"v1.2.0-rc.1","html_url":"` + notes + `"}`, "no version"},
		{"a long version", `{"tag_name":"v1.2.` + strings.Repeat("9", 90) + `","html_url":"` + notes + `"}`, "no version"},
		{"no page", `{"tag_name":"v1.2.0"}`, "no https"},
		{"a page in clear", `{"tag_name":"v1.2.0","html_url":"http://github.com/x"}`, "no https"},
		{"a script", `{"tag_name":"v1.2.0","html_url":"javascript:alert(1)"}`, "no https"},
		{"a file", `{"tag_name":"v1.2.0","html_url":"file:///etc/passwd"}`, "no https"},
		{"a user in it", `{"tag_name":"v1.2.0","html_url":"https://github.com@evil.example/"}`, "no https"},
		{"a space in it", `{"tag_name":"v1.2.0","html_url":"https://github.com/ --option"}`, "no https"},
		{"a quote in it", `{"tag_name":"v1.2.0","html_url":"https://github.com/\"&calc"}`, "no https"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name := range r.Header {
					if name != "User-Agent" && name != "Accept" && name != "Accept-Encoding" {
						t.Errorf("it sends %s", name)
					}
				}
				if agent := r.UserAgent(); agent != "Drawbridge" {
					t.Errorf("it says %q", agent)
				}
				_, _ = w.Write([]byte(c.body))
			}))
			defer feed.Close()
			got, err := Look(t.Context(), feed.Client(), feed.URL)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || got != (status.Update{}) {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if want := (status.Update{Version: "1.2.0", URL: notes}); err != nil || got != want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestFeedThatLeadsElsewhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("it followed") }))
	defer elsewhere.Close()
	feed := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer feed.Close()
	if _, err := Look(t.Context(), feed.Client(), feed.URL); err == nil || !strings.Contains(err.Error(), "302") {
		t.Error(err)
	}
	feed.Close()
	if _, err := Look(t.Context(), feed.Client(), feed.URL+"/private"); err == nil || strings.Contains(err.Error(), "private") {
		t.Error(err)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Look(ctx, silent.Client(), silent.URL); err == nil {
		t.Error("no answer is one")
	}
}

func TestNewer(t *testing.T) {
	for version, want := range map[string]bool{"v1.2.0": false, "v1.1.9": true, "v1.10.0": false, "v0.9.0": true, "v2.0.0": false,
		"dev": false, "": false, "1.0.0": false, "v0.0.0-20261130210252-215bf07c0ffe": false, "v1.1.0+dirty": false, "v1.1.0-rc.1": false} {
		if got := Newer(status.Update{Version: "1.2.0"}, version); got != want {
			t.Errorf("1.2.0 than %s: %v", version, got)
		}
	}
}
