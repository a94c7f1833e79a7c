package tunnel

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// Finding is what a look at the app from outside has found.
type Finding struct {
	OK      bool
	Arrived bool   // the request came to this very process
	Result  string // what was found, in words
	Cure    string // what to do, if not OK
	Note    string // what a person should know although nothing is wrong
}

// Sentence is Result and Cure.
func (f Finding) Sentence() string {
	if f.Cure == "" {
		return f.Result
	}
	return strings.TrimSuffix(f.Result, ".") + ". " + f.Cure
}

// front looks at the app as strangers do: by its public URL. It recognises its
// own requests when they arrive, so it also tells another server that answers
// just like this one.
type front struct {
	http    *http.Client // nil: one of its own, by network
	network *outbound.Network
	now     func() time.Time

	mu      sync.Mutex // guards waiting
	waiting map[string]bool
}

const (
	checkHeader  = "Drawbridge-Check" // holds a random word of a request of ours
	metadataPath = "/.well-known/oauth-protected-resource/mcp"
	mcpPath      = "/mcp"

	lookTime  = 10 * time.Second
	clockSkew = time.Minute // what signed things of others allow, mostly
)

// wrap notices the requests of [Public.Look] on their way to next.
func (f *front) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if word := r.Header.Get(checkHeader); word != "" {
			f.mu.Lock()
			if _, ours := f.waiting[word]; ours {
				f.waiting[word] = true
				w.Header()["Date"] = nil // so that the one that comes back is somebody else's clock
			}
			f.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// look fetches the app's own metadata at base, compares, and says what a person
// has to know.
func (f *front) look(ctx context.Context, base string) Finding {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	before := f.now()
	resp, body, arrived, err := f.get(ctx, base+metadataPath, "Drawbridge", "application/json")
	if err != nil {
		return unreachable(base, arrived, err)
	}
	got := Finding{Arrived: arrived}
	code := resp.Header.Get("Ngrok-Error-Code")
	var doc struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	isJSON := json.Unmarshal(body, &doc) == nil
	right := doc.Resource == base+mcpPath && len(doc.Servers) == 1 && doc.Servers[0] == base
	switch {
	case isInterstitial(code, body):
		got.Result, got.Cure = base+" shows ngrok's warning page to programs too", "Use a paid plan of ngrok, which shows none, or another domain."
	case code != "":
		got.Result = "ngrok answers at " + base + " itself (" + code + ")"
		got.Cure = ngrokSays[code]
		if got.Cure == "" {
			got.Cure = "See ngrok.com/docs/errors/" + strings.ToLower(code) + "."
		}
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		got.Result, got.Cure = base+" sends visitors elsewhere", "What stands before Drawbridge must pass every path on, without redirects."
	case !arrived && right:
		got.Result, got.Cure = base+" is answered by another Drawbridge", "Stop the other one, or give one of them another URL. (A proxy that takes unknown headers out looks the same.)"
	case !arrived:
		got.Result, got.Cure = fmt.Sprintf("%s is answered by another server (status %d)", base, resp.StatusCode), "Check where the URL leads, and that a proxy before Drawbridge passes every path and the Host header on."
	case resp.StatusCode != http.StatusOK || !isJSON || !right:
		got.Result, got.Cure = fmt.Sprintf("%s leads here, but our answer comes back changed (status %d)", base, resp.StatusCode), "Check that what stands before Drawbridge passes the Host header on and leaves answers as they are."
	default:
		if off := skew(resp, before, f.now()); off != "" {
			got.Result, got.Cure = off, "Set it: sign-ins fail while it is wrong."
			return got
		}
		got.OK, got.Result = true, base+" leads here"
		got.Note = f.browserNote(ctx, base)
	}
	return got
}

// browserNote looks as a browser does, which ngrok shows a page of its own.
func (f *front) browserNote(ctx context.Context, base string) string {
	resp, body, _, err := f.get(ctx, base+"/", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "text/html")
	if err == nil && isInterstitial(resp.Header.Get("Ngrok-Error-Code"), body) {
		return "On ngrok's free plan a browser sees ngrok's own warning page first, once in seven days: whoever signs in presses Visit Site there."
	}
	return ""
}

// get makes one request and says whether it arrived in this process.
func (f *front) get(ctx context.Context, url, agent, accept string) (resp *http.Response, body []byte, arrived bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, false, err
	}
	word := rand.Text()
	req.Header.Set(checkHeader, word)
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", accept)
	req.Header.Set("Cache-Control", "no-cache")
	f.mu.Lock()
	if f.waiting == nil {
		f.waiting = map[string]bool{}
	}
	f.waiting[word] = false
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		arrived = f.waiting[word]
		delete(f.waiting, word)
		f.mu.Unlock()
	}()
	t := f.network.Transport()
	t.DisableKeepAlives = true // an old connection may be of a network that is gone
	client := http.Client{Transport: t}
	if f.http != nil {
		client = *f.http
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if resp, err = client.Do(req); err != nil {
		return nil, nil, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp, body, false, err
}

func isInterstitial(code string, body []byte) bool {
	return code == "ERR_NGROK_6024" || code == "" && strings.Contains(string(body), "ERR_NGROK_6024")
}

// skew says how far this computer's clock is from the one that dated resp, if
// that is too far.
func skew(resp *http.Response, before, after time.Time) string {
	there, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return ""
	}
	switch {
	case there.Sub(after) > clockSkew:
		return "this computer's clock is " + about(there.Sub(after)) + " slow"
	case before.Sub(there) > clockSkew:
		return "this computer's clock is " + about(before.Sub(there)) + " fast"
	}
	return ""
}

func about(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// unreachable makes a finding of a request that got no answer.
func unreachable(base string, arrived bool, err error) Finding {
	got := Finding{Arrived: arrived, Result: base + " can't be reached from here", Cure: "Check that the name resolves and that what stands before Drawbridge forwards to it."}
	var dns *net.DNSError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case outbound.Why(err) != nil && outbound.Why(err).Text != outbound.Direct && !errors.As(err, &unknown):
		got.Result, got.Cure = base+" can't be reached from here", outbound.Why(err).Error()
	case errors.As(err, &dns):
		got.Result, got.Cure = "the name of "+base+" does not resolve", "Check that this computer is online; a new name takes a few minutes."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		got.Result, got.Cure = "the certificate of "+base+" is not valid at this computer's time", "Check this computer's clock; if it is right, renew the certificate."
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		got.Result, got.Cure = "the certificate of "+base+" is not to be trusted", "Something else answers there, or something in this network opens its connections. Ask who runs it."
	case errors.Is(err, context.DeadlineExceeded):
		got.Result = base + " does not answer"
	}
	return got
}
