package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"sync"
	"time"
)

const (
	// onceTime is how long a link of [Console.Link] opens the console: a browser
	// may have to be started first.
	onceTime = time.Minute
	// idleTime is how long a token lives without a click.
	idleTime = 4 * time.Hour
	// maxTokens and maxOnce bound what is kept; the oldest one goes.
	maxTokens, maxOnce = 64, 64
)

// entry is how somebody tried to come in, and what came of it.
type entry int

const (
	refused entry = iota
	expired       // a link of [Console.Link] too late
	twice         // a link for the second time
	welcome
)

// door keeps who may come in. Tokens and codes are kept as hashes alone, which
// also makes looking them up take the same time whatever is asked.
type door struct {
	now func() time.Time

	mu     sync.Mutex // guards all below
	url    string
	key    string
	tokens map[[32]byte]*visit
	once   map[[32]byte]*link
}

// link is a code that [Console.Link] gave away. It is remembered after its use:
// who comes second may be the owner, whose command line somebody has read.
type link struct {
	until time.Time
	used  bool
	token [32]byte // that it became
}

// visit is one token: a tab, or several of one person.
type visit struct {
	used time.Time
	gone context.Context // ends with the token
	end  context.CancelFunc
}

func (d *door) open(url, key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.url, d.key = url, key
}

func (d *door) link() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.once == nil {
		d.once = map[[32]byte]*link{}
	}
	var oldest [32]byte
	for hash, l := range d.once {
		if d.now().Sub(l.until) > idleTime { // its token has ended too
			delete(d.once, hash)
		} else if first := d.once[oldest]; first == nil || l.until.Before(first.until) {
			oldest = hash
		}
	}
	if len(d.once) >= maxOnce {
		delete(d.once, oldest)
	}
	code := randomText()
	d.once[sha256.Sum256([]byte(code))] = &link{until: d.now().Add(onceTime)}
	return d.url + "/#once=" + code
}

// enter exchanges the key, or a code that is used up by it, for a token. A
// code that comes twice ends the token that it became, as an authorization
// code would (RFC 6749 §4.1.2).
func (d *door) enter(key, once string) (token string, _ entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if once == "" {
		if d.key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(d.key)) != 1 {
			return "", refused
		}
		return d.admit(), welcome
	}
	l := d.once[sha256.Sum256([]byte(once))]
	switch {
	case l == nil:
		return "", expired
	case l.used:
		if d.tokens[l.token] != nil {
			d.drop(l.token)
		}
		return "", twice
	case d.now().After(l.until):
		return "", expired
	}
	token = d.admit()
	l.used, l.token = true, sha256.Sum256([]byte(token))
	return token, welcome
}

// admit makes a token. The caller holds mu.
func (d *door) admit() string {
	if d.tokens == nil {
		d.tokens = map[[32]byte]*visit{}
	}
	d.sweep()
	v := &visit{used: d.now()}
	v.gone, v.end = context.WithCancel(context.Background())
	token := randomText()
	d.tokens[sha256.Sum256([]byte(token))] = v
	return token
}

// sweep ends the tokens that nobody used, and makes room for one. The caller
// holds mu.
func (d *door) sweep() {
	var oldest [32]byte
	for hash, v := range d.tokens {
		if d.now().Sub(v.used) > idleTime {
			d.drop(hash)
		} else if first := d.tokens[oldest]; first == nil || v.used.Before(first.used) {
			oldest = hash
		}
	}
	if len(d.tokens) >= maxTokens {
		d.drop(oldest)
	}
}

func (d *door) drop(hash [32]byte) {
	d.tokens[hash].end()
	delete(d.tokens, hash)
}

// visit returns what a token stands for, or nil. A click keeps it alive; a
// stream, which goes on by itself, does not.
func (d *door) visit(token string, click bool) *visit {
	d.mu.Lock()
	defer d.mu.Unlock()
	hash := sha256.Sum256([]byte(token))
	v := d.tokens[hash]
	if v == nil {
		return nil
	}
	if d.now().Sub(v.used) > idleTime {
		d.drop(hash)
		return nil
	}
	if click {
		v.used = d.now()
	}
	return v
}

// forget ends every token and every link that is not used yet.
func (d *door) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for hash := range d.tokens {
		d.drop(hash)
	}
	clear(d.once)
}

// renew ends every token and returns a new one, for whoever asked for that.
func (d *door) renew() string {
	d.forget()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.admit()
}

func randomText() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
