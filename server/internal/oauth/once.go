package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
	"unique"
)

// Once remembers what may be presented once only, until it would be refused for
// its age. Room is divided by who presents. It is safe for concurrent use.
type Once struct {
	all, each int
	kept      bool // there are records of it

	mu    sync.Mutex // guards all below
	seen  map[string]use
	of    map[string]int // how many of seen are whose
	swept time.Time
}

type use struct {
	until time.Time
	by    string
}

// NewOnce has room for all, of one presenter for each of them.
func NewOnce(all, each int) *Once {
	return &Once{all: all, each: each, seen: map[string]use{}, of: map[string]int{}}
}

// First reports whether by presents what name stands for as the first. Where
// there is no room to remember it, it says no: taking it twice is worse than a
// refusal.
func (o *Once) First(name, by string, until, now time.Time) bool {
	key := onceKey(name)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.kept && now.Sub(o.swept).Abs() >= time.Second { // else its records go with it, see expire
		o.swept = now
		o.sweep(now)
	}
	if _, ok := o.seen[key]; ok || len(o.seen) >= o.all || o.of[by] >= o.each {
		return false
	}
	o.add(key, by, until)
	return true
}

func (o *Once) add(key, by string, until time.Time) {
	by = unique.Make(by).Value()
	o.seen[key] = use{until, by}
	o.of[by]++
}

func (o *Once) drop(key string) {
	by := o.seen[key].by
	if o.of[by]--; o.of[by] <= 0 {
		delete(o.of, by)
	}
	delete(o.seen, key)
}

func (o *Once) sweep(now time.Time) (gone []Change) {
	for key, u := range o.seen {
		if !now.Before(u.until) {
			o.drop(key)
			gone = append(gone, Change{Bucket: BucketAssertions, Key: key})
		}
	}
	return gone
}

// again lets what name stands for be presented once more.
func (o *Once) again(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(onceKey(name))
}

// expire forgets what has expired, and returns the changes that forget its records.
func (o *Once) expire(now time.Time) []Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sweep(now)
}

// onceKey is under which what name stands for is kept.
func onceKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ShownOnce reports whether a client that the owner has added shows what proves it, by
// its jti, for the first time. It remembers that across restarts: nothing else stands
// between who has seen one and a token.
func (s *Grants) ShownOnce(client, id string, until time.Time) (bool, error) {
	name := client + "\x00" + id
	if !s.presented.First(name, client, until, s.opts.Now()) {
		return false, nil
	}
	if err := s.opts.Saver.Save([]Change{change(BucketAssertions, onceKey(name), usedAssertion{1, client, until.UTC()})}); err != nil {
		s.presented.again(name)
		return false, ServerError(err)
	}
	return true, nil
}
