package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"time"
)

const (
	// onceTime is how long a link of [Console.Link] opens the console: a browser
	// may have to be started first.
	onceTime = time.Minute
	// idleTime is how long a token lives without a click.
	idleTime = 4 * time.Hour
	// maxKept bounds the tokens and the links that are kept; the oldest one goes.
	maxKept = 64
)

// logins keeps who may come in. Tokens and codes are kept as hashes alone, which
// also makes looking them up take the same time whatever is asked.
type logins struct {
	now func() time.Time

	mu     sync.Mutex // guards all below
	url    string
	key    string
	tokens map[hash]*visit
	once   map[hash]*link
}

// hash is that of a token or a code.
type hash [32]byte

func hashOf(text string) hash { return sha256.Sum256([]byte(text)) }

// link is a code that [Console.Link] gave away. It is remembered after its use:
// who comes second may be the owner, whose command line somebody has read.
type link struct {
	until time.Time
	used  bool
	token hash // that it became
}

// visit is one token: a tab, or several of one person.
type visit struct {
	used time.Time
	gone context.Context // ends with the token
	end  context.CancelFunc
}

func newLogins(now func() time.Time) *logins {
	return &logins{now: now, tokens: map[hash]*visit{}, once: map[hash]*link{}}
}

func (s *logins) open(url, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url, s.key = url, key
}

func (s *logins) link() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	makeRoom(s.once, s.now(), func(l *link) time.Time { return l.until }, func(code hash) { delete(s.once, code) })
	code := rand.Text()
	s.once[hashOf(code)] = &link{until: s.now().Add(onceTime)}
	return s.url + "/#once=" + code
}

// enter exchanges the key, or a code that is used up by it, for a token; or it
// returns the key of a sentence that says why not. A code that comes twice ends
// the token that it became, as an authorization code would (RFC 6749 §4.1.2).
func (s *logins) enter(key, once string) (token, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.once[hashOf(once)]
	switch {
	case once == "" && (s.key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) != 1):
		return "", "console.old"
	case once == "":
		return s.admit(), ""
	case l != nil && l.used:
		s.drop(l.token)
		return "", linkAgain
	case l == nil || s.now().After(l.until):
		return "", "console.used"
	}
	token = s.admit()
	l.used, l.token = true, hashOf(token)
	return token, ""
}

// linkAgain says that a link was opened for the second time.
const linkAgain = "console.twice"

// admit makes a token. The caller holds mu.
func (s *logins) admit() string {
	makeRoom(s.tokens, s.now(), func(v *visit) time.Time { return v.used }, s.drop)
	v := &visit{used: s.now()}
	v.gone, v.end = context.WithCancel(context.Background())
	token := rand.Text()
	s.tokens[hashOf(token)] = v
	return token
}

// makeRoom drops what nobody used for long, and the oldest if there are many.
func makeRoom[T any](all map[hash]T, now time.Time, since func(T) time.Time, drop func(hash)) {
	var oldest hash
	for h, one := range all {
		if now.Sub(since(one)) > idleTime {
			drop(h)
		} else if first, ok := all[oldest]; !ok || since(one).Before(since(first)) {
			oldest = h
		}
	}
	if len(all) >= maxKept {
		drop(oldest)
	}
}

func (s *logins) drop(token hash) {
	if v := s.tokens[token]; v != nil {
		v.end()
		delete(s.tokens, token)
	}
}

// visit returns what a token stands for, or nil. A click keeps it alive; a
// stream, which goes on by itself, does not.
func (s *logins) visit(token string, click bool) *visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.tokens[hashOf(token)]
	if v == nil || s.now().Sub(v.used) > idleTime {
		s.drop(hashOf(token))
		return nil
	}
	if click {
		v.used = s.now()
	}
	return v
}

// forget ends every token and every link that is not used yet.
func (s *logins) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token := range s.tokens {
		s.drop(token)
	}
	clear(s.once)
}

// renew ends every token and returns a new one, for whoever asked for that.
func (s *logins) renew() string {
	s.forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admit()
}
