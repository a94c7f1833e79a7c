package mount

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Bucket is where the last catalogs last, so that what servers offered before a
// restart can be listed at once after it.
const Bucket = "catalogs"

const (
	savedVersion = 1
	maxSaved     = 4 << 20 // bytes of one record; a longer one is read anew after a restart
)

// saved is the record of a catalog.
type saved struct {
	Version int    `json:"v"`
	Server  string `json:"server"`
	Start   string `json:"start"` // how the server is started, hashed: another one may have its name by now
	Modern  bool   `json:"modern"`
	*Catalog
}

// startOf names the way in which a server is started. What is empty is as if it
// were not set.
func startOf(c config.Server) string {
	if len(c.Args) == 0 {
		c.Args = nil
	}
	if len(c.Env) == 0 {
		c.Env = nil
	}
	if len(c.Headers) == 0 {
		c.Headers = nil
	}
	sum := sha256.Sum256(encode([]any{c.Command, c.Args, c.Env, c.Dir, c.URL, c.Headers, c.SSE}))
	return hex.EncodeToString(sum[:16])
}

// records is the records as they stand on disk.
type records struct {
	saver oauth.Saver

	mu sync.Mutex        // guards of, and is held while one is saved
	of map[string][]byte // by server
}

// load reads the records. One that can't be read is none: it is a copy.
func (r *records) load(from oauth.Records) error {
	r.of = make(map[string][]byte)
	if from == nil {
		return nil
	}
	return from.Load(Bucket, func(name string, value []byte) error {
		r.of[name] = bytes.Clone(value)
		return nil
	})
}

// get returns the record of a server that is started as start says.
func (r *records) get(name, start string) *Catalog {
	r.mu.Lock()
	value := r.of[name]
	r.mu.Unlock()
	record := saved{Catalog: new(Catalog)}
	if json.Unmarshal(value, &record) != nil || record.Version != savedVersion || record.Start != start {
		return nil
	}
	if record.Modern {
		record.Era = rpc.Modern
	}
	return record.Catalog // its time is over: it is read again when somebody lists
}

// put keeps what a server offers now. Its error is the disk's.
func (r *records) put(name, start string, cat *Catalog) error {
	if r.saver == nil {
		return nil
	}
	value := []byte(encode(saved{Version: savedVersion, Server: name, Start: start, Modern: cat.Era == rpc.Modern, Catalog: cat}))
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(value) > maxSaved || bytes.Equal(r.of[name], value) {
		return nil
	}
	if err := r.saver.Save([]oauth.Change{{Bucket: Bucket, Key: name, Value: value}}); err != nil {
		return err
	}
	r.of[name] = value
	return nil
}

// keep drops the records of all servers but these.
func (r *records) keep(names []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var changes []oauth.Change
	for name := range r.of {
		if !slices.Contains(names, name) {
			changes = append(changes, oauth.Change{Bucket: Bucket, Key: name})
		}
	}
	if len(changes) == 0 || r.saver == nil {
		return nil
	}
	if err := r.saver.Save(changes); err != nil {
		return err
	}
	for _, c := range changes {
		delete(r.of, c.Key)
	}
	return nil
}

// save keeps what s offers.
func (s *Set) save(one *server) {
	one.mu.Lock()
	cat, start, gone := one.catalog, startOf(one.conf), one.ctx.Err() != nil
	one.mu.Unlock()
	if gone {
		return
	}
	if err := s.records.put(one.name, start, cat); err != nil {
		s.o.Log.Error("what a server offers was not saved", "server", one.name, "cause", err)
	}
}
