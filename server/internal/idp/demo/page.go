package demo

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var page = template.Must(template.New("page").Parse(pageHTML))

// policy allows nothing but the page's own style. It has no form-action:
// browsers apply that to the whole chain of redirects after a form, which goes
// on to the app and from there to the client.
var policy = func() string {
	digest := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) +
		"'; base-uri 'none'; frame-ancestors 'none'"
}()

type pageData struct {
	Style   template.CSS
	Action  string
	People  []*Person
	Problem string
}

// problem shows why a request goes no further.
func problem(w http.ResponseWriter, sentence string) {
	render(w, http.StatusBadRequest, pageData{Problem: sentence})
}

// render shows one form with a button for each person, or a problem.
func render(w http.ResponseWriter, status int, data pageData) {
	data.Style = template.CSS(pageCSS)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	page.Execute(w, data) // an error means that the browser has gone
}
