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

// outcome is what came of a try to come in.
type outcome int

const (
	refused outcome = iota
	expired         // a link of [Console.Link] too late
	twice           // a link for the second time
	accepted
)

// logins keeps who may come in. Tokens and codes are kept as hashes alone, which
// also makes looking them up take the same time whatever is asked.
type logins struct {
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

func (s *logins) open(url, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url, s.key = url, key
}

func (s *logins) link() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.once == nil {
		s.once = map[[32]byte]*link{}
	}
	var oldest [32]byte
	for hash, l := range s.once {
		if s.now().Sub(l.until) > idleTime { // its token has ended too
			delete(s.once, hash)
		} else if first := s.once[oldest]; first == nil || l.until.Before(first.until) {
			oldest = hash
		}
	}
	if len(s.once) >= maxOnce {
		delete(s.once, oldest)
	}
	code := randomText()
	s.once[sha256.Sum256([]byte(code))] = &link{until: s.now().Add(onceTime)}
	return s.url + "/#once=" + code
}

// enter exchanges the key, or a code that is used up by it, for a token. A
// code that comes twice ends the token that it became, as an authorization
// code would (RFC 6749 §4.1.2).
func (s *logins) enter(key, once string) (token string, _ outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if once == "" {
		if s.key == "" || subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) != 1 {
			return "", refused
		}
		return s.admit(), accepted
	}
	l := s.once[sha256.Sum256([]byte(once))]
	switch {
	case l == nil:
		return "", expired
	case l.used:
		if s.tokens[l.token] != nil {
			s.drop(l.token)
		}
		return "", twice
	case s.now().After(l.until):
		return "", expired
	}
	token = s.admit()
	l.used, l.token = true, sha256.Sum256([]byte(token))
	return token, accepted
}

// admit makes a token. The caller holds mu.
func (s *logins) admit() string {
	if s.tokens == nil {
		s.tokens = map[[32]byte]*visit{}
	}
	s.sweep()
	v := &visit{used: s.now()}
	v.gone, v.end = context.WithCancel(context.Background())
	token := randomText()
	s.tokens[sha256.Sum256([]byte(token))] = v
	return token
}

// sweep ends the tokens that nobody used, and makes room for one. The caller
// holds mu.
func (s *logins) sweep() {
	var oldest [32]byte
	for hash, v := range s.tokens {
		if s.now().Sub(v.used) > idleTime {
			s.drop(hash)
		} else if first := s.tokens[oldest]; first == nil || v.used.Before(first.used) {
			oldest = hash
		}
	}
	if len(s.tokens) >= maxTokens {
		s.drop(oldest)
	}
}

func (s *logins) drop(hash [32]byte) {
	s.tokens[hash].end()
	delete(s.tokens, hash)
}

// visit returns what a token stands for, or nil. A click keeps it alive; a
// stream, which goes on by itself, does not.
func (s *logins) visit(token string, click bool) *visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := sha256.Sum256([]byte(token))
	v := s.tokens[hash]
	if v == nil {
		return nil
	}
	if s.now().Sub(v.used) > idleTime {
		s.drop(hash)
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
	for hash := range s.tokens {
		s.drop(hash)
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

func randomText() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
