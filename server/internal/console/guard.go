package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
)

const (
	// bodyLimit is the most a form may carry, in bytes.
	bodyLimit = 512 << 10
	// answerTime is how long an answer may take, but for doctor and streams.
	answerTime = 30 * time.Second
	// tokenHeader carries a token that takes the place of the one used.
	tokenHeader = "Drawbridge-Token"
)

// policy lets a page use its own script, stylesheet and icon, speak to its own
// port, and nothing else. Trusted Types leave one place in the script that may
// make HTML of text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types drawbridge"

// guard adds to the control listener's checks of Host, Origin and
// Sec-Fetch-Site what a page needs, and the same check once more where
// something changes.
func guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Permissions-Policy", "clipboard-write=(self)")
		h.Add("Vary", "Accept-Language, Authorization")
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		next.ServeHTTP(w, r)
	})
}

// enter exchanges the key of a link for a token.
func (c *Console) enter(w http.ResponseWriter, r *http.Request) {
	var body struct{ Key, Once string }
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, r, http.StatusBadRequest, "console.old")
		return
	}
	token, why := c.logins.enter(body.Key, body.Once)
	if why == linkAgain {
		c.log.Warn("console: a link was opened a second time, so the page of the first was locked")
	}
	if why != "" {
		refuse(w, r, http.StatusUnauthorized, why)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"token": token})
}

// visitor returns whose request this is, or nil.
func (c *Console) visitor(r *http.Request, click bool) *visit {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil
	}
	return c.logins.visit(token, click)
}

// refuse answers with a sentence in the person's language.
func refuse(w http.ResponseWriter, r *http.Request, code int, key string) {
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]string{"error": textsFor(r).Say(key)})
}

func textsFor(r *http.Request) *assets.Texts { return assets.TextsFor(r.Header.Get("Accept-Language")) }
