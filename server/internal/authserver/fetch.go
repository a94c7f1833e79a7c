package authserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// fetchWait is how long a fetch waits for its turn. Clients wait ten seconds
// for the whole of a request.
const fetchWait = 4 * time.Second

// copies are what was fetched of one kind. Each kind has its own: what is too
// large for one may be right for another, at the same address.
type copies struct {
	name  string        // in sentences
	limit int64         // bytes of one
	most  int           // of them
	least time.Duration // an answer counts for at least as long, a failure too; 0: failures don't count

	mu        sync.Mutex // guards what follows
	byAddress map[string]copied
}

// copied is what came of one fetch.
type copied struct {
	body   []byte
	until  time.Time
	actor  netip.Prefix // who had it fetched
	err    error        // why there is none
	forced time.Time    // when it was last fetched before its time was up
	good   []byte       // the last body there was, of goodAt
	goodAt time.Time
}

func newCopies(name string, limit int64, most int, least time.Duration) *copies {
	return &copies{name: name, limit: limit, most: most, least: least, byAddress: map[string]copied{}}
}

// fresh returns the copy of address if its time is not up. With anew set it also
// must have been fetched a moment ago.
func (c *copies) fresh(address string, now time.Time, anew bool) (copied, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.byAddress[address]
	return k, ok && now.Before(k.until) && (!anew || now.Sub(k.forced) < c.least)
}

// keep stores k. If there are too many it forgets what ends first, of the actor
// who had most of them fetched.
func (c *copies) keep(address string, k copied) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.err != nil && c.least == 0 {
		delete(c.byAddress, address)
		return
	}
	if _, ok := c.byAddress[address]; !ok && len(c.byAddress) >= c.most {
		of := map[netip.Prefix]int{}
		for _, other := range c.byAddress {
			of[other.actor]++
		}
		delete(c.byAddress, slices.MinFunc(slices.Collect(maps.Keys(c.byAddress)), func(x, y string) int {
			a, b := c.byAddress[x], c.byAddress[y]
			return cmp.Or(of[b.actor]-of[a.actor], a.until.Compare(b.until))
		}))
	}
	c.byAddress[address] = k
}

// get returns what stands at address, from its copy while HTTP's rules allow.
// Actors fetch for themselves: one that has many slow fetches under way must not
// hold up another's of a document that both want.
func (d *Documents) get(ctx context.Context, of *copies, address string, actor netip.Prefix, anew bool) ([]byte, error) {
	if k, ok := of.fresh(address, d.now(), anew); ok {
		return k.body, k.err
	}
	// Not under the ctx of one request: others may wait for the same document.
	flight := d.flights.DoChan(of.name+"\x00"+address+"\x00"+actor.String(), func() (any, error) { return d.fetch(of, address, actor, anew) })
	select {
	case <-ctx.Done():
		return nil, d.unavailable(of, address, ctx.Err())
	case result := <-flight:
		body, _ := result.Val.([]byte)
		return body, result.Err
	}
}

// fetch gets what stands at address in its turn, and keeps it for as long as
// HTTP allows.
func (d *Documents) fetch(of *copies, address string, actor netip.Prefix, anew bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchWait)
	defer cancel()
	release, err := d.slots.take(ctx, hostOf(address), actor)
	if err != nil {
		return nil, d.unavailable(of, address, err)
	}
	defer release()
	before, ok := of.fresh(address, d.now(), anew)
	if ok { // somebody else's fetch came first
		return before.body, before.err
	}
	k := d.ask(of, address)
	k.actor = actor
	if of.least > 0 {
		if least := d.now().Add(of.least); k.until.Before(least) {
			k.until = least
		}
		if anew {
			k.forced = d.now()
		}
		// Keys that were good serve on while they can't be had: a client that
		// proves itself by them is one that somebody signed in with.
		k.good, k.goodAt = before.good, before.goodAt
		var e *oauth.Error
		switch {
		case k.err == nil:
			k.good, k.goodAt = k.body, d.now()
		case errors.As(k.err, &e) && e.RetryAfter > 0 && k.good != nil && d.now().Sub(k.goodAt) < staleTime:
			k.body, k.err = k.good, nil
		}
	}
	of.keep(address, k)
	return k.body, k.err
}

// ask makes the request. Of what it returns, until is when an answer is stale.
func (d *Documents) ask(of *copies, address string) copied {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return copied{err: badDocument(err, "The client's %s has no usable address.", of.name)}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Drawbridge (client metadata)")
	resp, err := d.http.Do(req)
	if errors.Is(err, outbound.ErrPrivate) {
		return copied{err: badDocument(err, "The client's %s at %s is not on the public internet, so it is not fetched.", of.name, hostOf(address))}
	}
	if err != nil {
		return copied{err: d.unavailable(of, address, err)}
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return copied{err: d.unavailable(of, address, statusError(resp.StatusCode))}
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return copied{err: badDocument(nil, "The address of the client's %s at %s leads elsewhere (status %d), which is not followed.", of.name, hostOf(address), resp.StatusCode)}
	case resp.StatusCode != http.StatusOK:
		return copied{err: badDocument(nil, "There is no %s at the client's address at %s (status %d).", of.name, hostOf(address), resp.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, of.limit+1))
	if err != nil {
		return copied{err: d.unavailable(of, address, err)}
	}
	if int64(len(body)) > of.limit {
		return copied{err: badDocument(nil, "The client's %s is larger than %d KB.", of.name, of.limit>>10)}
	}
	return copied{body: body, until: d.now().Add(lifetime(resp.Header))}
}

// unavailable is the refusal of what can't be had for now.
func (d *Documents) unavailable(of *copies, address string, cause error) *oauth.Error {
	e := oauth.Unavailable(10*time.Second, "The client's %s can't be fetched from %s: %s.", of.name, hostOf(address), whyNot(cause)).Because(atDocument(cause))
	var fault *outbound.Fault
	if errors.As(cause, &fault) {
		e.Reason = e.Description + " " + fault.Error()
	}
	return e
}

type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// whyNot says in plain words what kept a fetch from succeeding. It is for the
// client too, so it names nothing of this network.
func whyNot(err error) string {
	var status statusError
	var fault *outbound.Fault
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.As(err, &status):
		return fmt.Sprintf("the host answers with status %d", int(status))
	case errors.Is(err, errBusy):
		return "too many documents are being fetched at this moment"
	case errors.As(err, &fault):
		return "this network's proxy did not let the request through"
	case errors.As(err, &dns):
		return "there is no such host, or it can't be looked up (DNS)"
	case errors.As(err, &cert):
		return "the host's certificate is not trusted (TLS)"
	case errors.As(err, &alert), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the host does not speak TLS as it should"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.Canceled):
		return "the host does not answer in time"
	case outbound.Is(err, syscall.ECONNREFUSED):
		return "the host refuses the connection"
	}
	return "the connection failed"
}

// lifetime is how long a response stays fresh (RFC 9111 §4.2), a day at most.
// Of several directives the strictest counts, and what can't be read is stale.
func lifetime(h http.Header) time.Duration {
	directives := map[string]string{}
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if name == "no-store" || name == "no-cache" {
			return 0
		}
		directives[name] = strings.Trim(value, `"`)
	}
	if maxAge, ok := directives["max-age"]; ok {
		seconds, err := strconv.Atoi(maxAge)
		if err != nil || seconds < 0 {
			return 0
		}
		age, _ := strconv.Atoi(h.Get("Age"))
		return time.Duration(min(max(seconds-age, 0), int(maxDocumentTTL.Seconds()))) * time.Second
	}
	if h.Get("Expires") == "" {
		return documentTTL
	}
	expires, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		date = time.Now()
	}
	return min(max(expires.Sub(date), 0), maxDocumentTTL)
}
