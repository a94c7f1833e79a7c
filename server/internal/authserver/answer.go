package authserver

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

func failJSON(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	retryAfter(w, e)
	if e.Code == "invalid_client" && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="Drawbridge"`) // RFC 6749 §5.2
	}
	writeJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": printable(e.Description)})
}

func retryAfter(w http.ResponseWriter, e *oauth.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
		h.Set("Pragma", "no-cache")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// PageHeaders sets what every page of ours carries (headers, not meta tags):
// it runs no script, is framed by nobody, leaks no referrer and is not kept.
// formAction is the CSP's source list for where its form may lead.
func PageHeaders(h http.Header, formAction string) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+assets.StyleHash+"; form-action "+formAction+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// page writes an HTML page.
func (s *Server) page(w http.ResponseWriter, status int, formAction string, render func(*bytes.Buffer) error) {
	var b bytes.Buffer
	if err := render(&b); err != nil {
		s.Log.Error("page not rendered", "cause", err)
		http.Error(w, "Drawbridge could not draw this page.", http.StatusInternalServerError)
		return
	}
	PageHeaders(w.Header(), formAction)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// redirect sends the browser to location. http.Redirect would put the address,
// and with it a code, into a body as well.
func redirect(w http.ResponseWriter, location string) {
	h := w.Header()
	h.Set("Location", location)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusFound)
}

// answerClient redirects to a proven redirect URI with the parameters given, the
// client's state if it sent one, and iss, always (RFC 9207). The other bytes of
// the URI stay as registered.
func (s *Server) answerClient(w http.ResponseWriter, redirectURI, clientState string, params url.Values) {
	if clientState != "" {
		params.Set("state", clientState)
	}
	params.Set("iss", s.Issuer)
	sep := "?"
	if strings.Contains(redirectURI, "?") {
		sep = "&"
		if strings.HasSuffix(redirectURI, "?") || strings.HasSuffix(redirectURI, "&") {
			sep = ""
		}
	}
	redirect(w, redirectURI+sep+params.Encode())
}

// printable keeps the characters that RFC 6749 §5.2 allows in a description.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"', r == '“', r == '”':
			return '\''
		case r == '\\', r < 0x20:
			return -1
		case r > 0x7e:
			return '?'
		}
		return r
	}, strings.ReplaceAll(s, "§", "section "))
}

// Limited answers 429 with Retry-After (RFC 6585 §4) to what l does not allow.
func (s *Server) Limited(l *limit.Limit, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wait, ok := l.Allow(remote(r), s.Now())
		if ok {
			next(w, r)
			return
		}
		s.refuse(w, r, &limiting, &oauth.Error{Code: "temporarily_unavailable", Status: http.StatusTooManyRequests, RetryAfter: max(wait, time.Second),
			Description: "Too many requests from this address. Wait a moment, then try again."}, whom{})
	}
}
