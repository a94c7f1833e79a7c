package control

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// bodyLimit is the most a request of the API may carry, in bytes.
	bodyLimit = 4 << 10
	// answerTime is how long an answer may take, but for backup, doctor and streams.
	answerTime = 30 * time.Second

	metricsPath = "/metrics" // where Prometheus looks

	proofPath  = "/prove"
	proofLabel = "drawbridge control, proof of the key, v1"
	nonceLen   = 43 // characters of base64url, 32 bytes
)

// guard lets a request through if it comes from this machine's own commands or
// from the console itself. A web page that the person visits can reach this
// port as well: it is told apart by Host (DNS rebinding), Origin and
// Sec-Fetch-Site, and it has no key. Another user's program has no key either.
func (s *Server) guard(next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(s.addr)
	hosts := map[string]bool{s.addr: true, "localhost:" + port: true}
	origins := map[string]bool{"": true, "http://" + s.addr: true, "http://localhost:" + port: true}
	// "same-site" is a page on another port of this machine.
	sites := map[string]bool{"": true, "none": true, "same-origin": true}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		most := answerTime
		if r.URL.Path == "/api/backup" {
			most = 10 * answerTime // as long as the client waits: a large state file takes its time
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(most))
		api := strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == metricsPath
		if api {
			r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		}
		switch {
		case !hosts[r.Host] || !origins[r.Header.Get("Origin")] || !sites[r.Header.Get("Sec-Fetch-Site")] && !comesBack(r) ||
			len(r.Header.Values("Origin")) > 1 || len(r.Header.Values("Sec-Fetch-Site")) > 1:
			fail(w, http.StatusForbidden, "This address serves Drawbridge's own commands, and no other site.")
		case api && !s.hasKey(r):
			h.Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "The key is missing or not that of this run of Drawbridge.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// SignInPath is where a mounted server sends the owner's browser back to; an id
// follows.
const SignInPath = "/server-sign-in/"

// comesBack reports whether r is the browser that a dry run of Setup, or a
// sign-in at a mounted server, sent elsewhere. Any site could lead there: what it
// gets is a page without data, in a window that it can't look into.
func comesBack(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.RequestURI() == "/setup?step=try" || strings.HasPrefix(r.URL.Path, SignInPath)) &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

func (s *Server) hasKey(r *http.Request) bool {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) == 1
}

// prove answers a client's nonce with a proof that this server has the key. A
// client asks before it sends the key: after a crash another program may have
// taken the port that control.json names.
func (s *Server) prove(w http.ResponseWriter, r *http.Request) {
	nonce := r.URL.Query().Get("nonce")
	if len(nonce) != nonceLen {
		fail(w, http.StatusBadRequest, "A nonce has 43 characters.")
		return
	}
	reply(w, map[string]string{"proof": proof(s.key, s.addr, nonce)})
}

// proof covers the address too, so that nobody can pass on the question to a
// server elsewhere.
func proof(key, addr, nonce string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(proofLabel + "\n" + addr + "\n" + nonce))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
