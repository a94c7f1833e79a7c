package authserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// get returns what stands at address, from the cache while HTTP's rules allow.
func (d *Documents) get(ctx context.Context, address string, limit int64, fresh bool) ([]byte, error) {
	d.mu.Lock()
	c, ok := d.cache[address]
	d.mu.Unlock()
	if ok && d.now().Before(c.until) && (!fresh || d.now().Sub(c.forced) < keysPause) {
		return c.body, c.err
	}
	// Not under the ctx of one request: others may wait for the same document.
	flight := d.flights.DoChan(address, func() (any, error) { return d.fetch(address, limit, fresh) })
	select {
	case <-ctx.Done():
		return nil, oauth.Unavailable(5*time.Second, "The client's metadata document could not be fetched in time.").Because(atDocument(ctx.Err()))
	case result := <-flight:
		body, _ := result.Val.([]byte)
		return body, result.Err
	}
}

// fetch gets what stands at address and keeps it for as long as HTTP allows,
// keys for a while at least, and a failure to get them too.
func (d *Documents) fetch(address string, limit int64, fresh bool) ([]byte, error) {
	c := d.ask(address, limit)
	if limit == maxKeys {
		c.until = later(c.until, d.now().Add(keysPause))
		if fresh {
			c.forced = d.now()
		}
	}
	if c.err == nil || limit == maxKeys {
		d.keep(address, c)
	} else {
		d.forget(address)
	}
	return c.body, c.err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ask makes the request. Of what it returns, until is when an answer is stale.
func (d *Documents) ask(address string, limit int64) cached {
	unavailable := func(err error) cached {
		return failed(oauth.Unavailable(10*time.Second, "The client's metadata document can't be fetched right now. Try again in a moment.").Because(atDocument(err)))
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		return unavailable(errors.New("too many fetches at once"))
	}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return failed(badDocument(err, "The client's metadata document has no usable address."))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Drawbridge (client metadata)")
	resp, err := d.http.Do(req)
	if errors.Is(err, errPrivateAddress) {
		return failed(badDocument(err, "The client's metadata document is not on the public internet, so it is not fetched."))
	}
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return unavailable(fmt.Errorf("status %d", resp.StatusCode))
	case resp.StatusCode != http.StatusOK:
		return failed(badDocument(nil, "There is no metadata document at the client's address (status %d).", resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return unavailable(err)
	}
	if int64(len(body)) > limit {
		return failed(badDocument(nil, "The client's metadata document is larger than %d KB.", limit>>10))
	}
	return cached{body: body, until: d.now().Add(lifetime(resp.Header))}
}

func failed(err error) cached { return cached{err: err} }

// keep stores c, and forgets what ends first if there are too many.
func (d *Documents) keep(address string, c cached) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.cache[address]; !ok && len(d.cache) >= maxDocuments {
		first := ""
		for a, other := range d.cache {
			if first == "" || other.until.Before(d.cache[first].until) {
				first = a
			}
		}
		delete(d.cache, first)
	}
	d.cache[address] = c
}

func (d *Documents) forget(address string) {
	d.mu.Lock()
	delete(d.cache, address)
	d.mu.Unlock()
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
