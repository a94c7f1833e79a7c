package consoletest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Answer is what the console answered.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do makes one request; header holds names and values in turn, among them Host.
func (r *Rig) Do(t testing.TB, method, path, body string, header ...string) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(answer)}
}

// Enter exchanges the proof of a link ("key=…", "once=…") as the script does.
func (r *Rig) Enter(t testing.TB, link string, header ...string) Answer {
	t.Helper()
	_, fragment, _ := strings.Cut(link, "#")
	kind, proof, _ := strings.Cut(fragment, "=")
	return r.Do(t, "POST", "/session", `{"`+kind+`":"`+proof+`"}`, header...)
}

// Token returns a new token.
func (r *Rig) Token(t testing.TB) string {
	t.Helper()
	a := r.Enter(t, r.Link)
	_, token, _ := strings.Cut(a.Body, `{"token":"`)
	token, _, _ = strings.Cut(token, `"`)
	if a.Status != http.StatusOK || token == "" {
		t.Fatalf("no token: %d %s", a.Status, a.Body)
	}
	return token
}

// Get fetches a page with a token, in English or as header says.
func (r *Rig) Get(t testing.TB, token, path string, header ...string) Answer {
	t.Helper()
	return r.Do(t, "GET", path, "", append([]string{"Authorization", "Bearer " + token}, header...)...)
}

// Post sends a form with a token; values holds names and values in turn.
func (r *Rig) Post(t testing.TB, token, path string, values ...string) Answer {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		form.Add(values[i], values[i+1])
	}
	return r.Do(t, "POST", path, form.Encode(), "Authorization", "Bearer "+token, "Content-Type", "application/x-www-form-urlencoded",
		"Origin", r.URL, "Sec-Fetch-Site", "same-origin")
}
