package resource

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// Authenticator knows access tokens.
type Authenticator interface {
	// Authenticate returns who presents token at resource, an MCP URL without
	// a trailing slash. The context ends with the token's grant. Any error means
	// that the token opens nothing; its text holds no token.
	Authenticate(token, resource, remote string) (*oauth.Caller, context.Context, error)
}

// Options make a [Guard].
type Options struct {
	Resource    string                    // the MCP URL exactly as a person pastes it
	MetadataURL string                    // where its RFC 9728 document is
	Scopes      []string                  // what a challenge asks for; offline_access is left out
	Auth        Authenticator             // required
	Paused      func() bool               // nil: never
	Log         *slog.Logger              // nil: none
	Timeline    *timeline.Recorder        // of attempts to connect; nil: none
	SessionOf   func(token string) string // the session a token is of, good or not; nil: not told
	Now         func() time.Time

	// Failures limits requests of one address that come with a bad token; guards
	// may share it. nil: one of its own, see [NewFailures].
	Failures *limit.Limit

	// Page answers a browser, a person's that is, with status: a page says what to
	// do with the URL. nil: it gets what a program gets.
	Page func(w http.ResponseWriter, r *http.Request, status int)
}

// NewFailures allows each address twenty bad tokens a second, in bursts of 200.
// There is no limit in all: a client whose token has expired must be told so,
// whatever others send.
func NewFailures() *limit.Limit { return limit.Each(20, 200) }

// Guard lets a request through to an MCP path if its access token is good.
type Guard struct {
	opts      Options
	resource  string
	missing   string // challenges, ready to send
	invalid   string
	malformed string
	progress  atomic.Pointer[progress]
}

// progress is what lasts until requests in progress are cut.
type progress struct {
	context.Context
	cut context.CancelFunc
}

// New returns the guard of one MCP path.
func New(o Options) *Guard {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Paused == nil {
		o.Paused = func() bool { return false }
	}
	if o.Failures == nil {
		o.Failures = NewFailures()
	}
	o.Timeline = cmp.Or(o.Timeline, timeline.New(o.Now))
	// RFC 9728 §5.1. The scope parameter tells a client what to ask for at
	// /authorize (MCP, "Scope Selection Strategy").
	where := `resource_metadata="` + o.MetadataURL + `", scope="` + strings.Join(oauth.WithoutOffline(o.Scopes), " ") + `"`
	g := &Guard{
		opts:      o,
		resource:  strings.TrimSuffix(o.Resource, "/"),
		missing:   "Bearer " + where,
		invalid:   `Bearer error="invalid_token", error_description="` + invalidToken + `", ` + where,
		malformed: `Bearer error="invalid_request", error_description="` + tokenInQuery + `", ` + where,
	}
	g.progress.Store(newProgress())
	return g
}

const (
	noToken      = "An access token is needed here. Connect with an MCP client that can sign in."
	invalidToken = "The access token is unknown, expired or revoked."
	tokenInQuery = "Send the access token in the Authorization header, never in the URL."
	paused       = "Drawbridge is paused. Its owner can resume it."

	// maxToken bounds what is handed to the Authenticator, in bytes. Ours are
	// far shorter.
	maxToken = 4096
)

// Wrap returns next behind the guard. The request that next sees carries the
// [oauth.Caller], and its context is done as soon as the grant ends.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.opts.Paused() {
			g.opts.Timeline.Saw(r, timeline.Facts{What: timeline.CallPaused})
			w.Header().Set("Retry-After", "60")
			g.answer(w, r, http.StatusServiceUnavailable, oauthError{"temporarily_unavailable", paused})
			return
		}
		if r.URL.RawQuery != "" && hasQueryToken(r.URL) {
			// RFC 6750 §2.3 is not supported: URLs end up in logs.
			g.challenge(w, r, http.StatusBadRequest, g.malformed, "invalid_request", tokenInQuery, timeline.Facts{What: timeline.CallQuery})
			return
		}
		headers := r.Header["Authorization"]
		if len(headers) == 0 {
			// RFC 6750 §3.1: without authentication information no error code. It is
			// how every sign-in begins and costs less than to count who asks, so no
			// flood keeps anybody from it.
			g.opts.Timeline.Saw(r, timeline.Facts{What: timeline.Challenged, Path: r.URL.Path})
			w.Header().Set("WWW-Authenticate", g.missing)
			g.answer(w, r, http.StatusUnauthorized, oauthError{"unauthorized", noToken})
			return
		}
		remote := limit.Address(r.RemoteAddr)
		token, ok := bearer(headers)
		if !ok {
			g.challenge(w, r, http.StatusUnauthorized, g.invalid, "invalid_token", invalidToken, timeline.Facts{What: timeline.CallForged})
			return
		}
		caller, life, err := g.opts.Auth.Authenticate(token, g.resource, remote)
		if err != nil {
			g.opts.Log.Info("token refused", "path", r.URL.Path, "remote", remote, "cause", err)
			g.challenge(w, r, http.StatusUnauthorized, g.invalid, "invalid_token", invalidToken, g.stale(token, err))
			return
		}

		ctx, cancel := context.WithCancel(oauth.WithCaller(r.Context(), caller))
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		defer context.AfterFunc(g.progress.Load(), cancel)()
		if g.opts.Paused() { // since it was asked above, and Cut may have missed us
			cancel()
		}
		r = r.WithContext(ctx)
		if !g.opts.Timeline.Connected(caller.Session) {
			var done func()
			w, r, done = g.opts.Timeline.Watch(w, r, timeline.Facts{Session: caller.Session, User: cmp.Or(caller.User.Email, caller.User.Sub), Client: caller.Client.Name})
			defer done()
		}
		next.ServeHTTP(w, r)
	})
}

// stale says why a token that looks like one opens nothing.
func (g *Guard) stale(token string, err error) timeline.Facts {
	f := timeline.Facts{What: timeline.CallForged}
	switch {
	case errors.Is(err, oauth.ErrTokenExpired):
		f.What = timeline.CallExpired
	case errors.Is(err, oauth.ErrEnded):
		f.What = timeline.CallEnded
	case errors.Is(err, oauth.ErrResource):
		f.What, f.Path = timeline.CallResource, strings.TrimPrefix(g.resource, originOf(g.resource))
	case errors.Is(err, oauth.ErrTokenKind):
		f.What = timeline.CallKind
	}
	if g.opts.SessionOf != nil {
		f.Session = g.opts.SessionOf(token)
	}
	return f
}

// originOf is what stands before the path of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Cut ends every request in progress, streams among them.
func (g *Guard) Cut() { g.progress.Swap(newProgress()).cut() }

func newProgress() *progress {
	ctx, cut := context.WithCancel(context.Background())
	return &progress{ctx, cut}
}

// challenge refuses a request that has no good token, or tells its address to
// slow down if it had many of them. Either says how to get one.
func (g *Guard) challenge(w http.ResponseWriter, r *http.Request, status int, header, code, description string, why timeline.Facts) {
	w.Header().Set("WWW-Authenticate", header)
	if _, ok := g.opts.Failures.Allow(limit.Address(r.RemoteAddr), g.opts.Now()); !ok {
		g.opts.Timeline.Saw(r, timeline.Facts{What: timeline.CallLimited})
		w.Header().Set("Retry-After", "1")
		g.answer(w, r, http.StatusTooManyRequests, oauthError{"temporarily_unavailable", "Too many requests without a good access token."})
		return
	}
	g.opts.Timeline.Saw(r, why)
	g.answer(w, r, status, oauthError{code, description})
}

// answer refuses in the form that whoever asks can read.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request, status int, why oauthError) {
	if g.opts.Page != nil && r.Method == http.MethodGet && wantsPage(r.Header["Accept"]) {
		g.opts.Page(w, r, status)
		return
	}
	writeJSON(w, status, why)
}

// wantsPage reports whether a page is accepted by name, as browsers do that
// were given a URL. MCP clients name the two forms of MCP.
func wantsPage(accept []string) bool {
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			media, _, _ := strings.Cut(part, ";")
			if media = strings.TrimSpace(media); strings.EqualFold(media, "text/html") || strings.EqualFold(media, "application/xhtml+xml") {
				return true
			}
		}
	}
	return false
}

// bearer returns the token of the one Authorization header; the scheme's name
// is case-insensitive (RFC 9110 §11.1).
func bearer(headers []string) (string, bool) {
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.Trim(token, " ")
	return token, token != "" && len(token) <= maxToken
}

func hasQueryToken(u *url.URL) bool {
	_, there := u.Query()["access_token"]
	return there
}
