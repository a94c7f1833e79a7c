package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Bucket is where a [Memory] lasts.
const Bucket = "transport-sessions"

// Bounds of a [Memory]. What has no room is told less exactly after a restart:
// log messages of every level, and no updates of those resources.
const (
	maxRemembered = 1024    // sessions
	maxOfPerson   = 64      // of which one person's
	maxRecord     = 8 << 10 // bytes of one
)

// Memory keeps what transport sessions came to hold after initialize, and so
// can't be in their ids: the log level and the subscriptions. Few clients ask
// for either, and who doesn't costs nothing here.
type Memory struct {
	saver oauth.Saver
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex // guards records, and the order of saves
	records map[string]gathered
}

type gathered struct {
	Person string    `json:"person"` // its digest
	Level  string    `json:"level,omitempty"`
	URIs   []string  `json:"uris,omitempty"`
	Used   time.Time `json:"used"`
}

// OpenMemory reads what records hold, and saves to saver.
func OpenMemory(records oauth.Records, saver oauth.Saver, now func() time.Time, log *slog.Logger) (*Memory, error) {
	m := &Memory{saver: saver, now: now, log: log, records: map[string]gathered{}}
	err := records.Load(Bucket, func(key string, value []byte) error {
		var g gathered
		if json.Unmarshal(value, &g) == nil { // else it counts as forgotten
			m.records[key] = g
		}
		return nil
	})
	return m, err
}

// digest stands for an id or a person on disk: neither need be read there.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return encoding.EncodeToString(sum[:16])
}

// save remembers g for a session of that person; an empty g forgets it.
func (m *Memory) save(id, person string, g gathered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := digest(id)
	old, known := m.records[key]
	g.Person, g.Used = digest(person), m.now()
	empty := g.Level == "" && len(g.URIs) == 0
	if empty && !known || known && old.Level == g.Level && slices.Equal(old.URIs, g.URIs) {
		return
	}
	value, _ := json.Marshal(g) // strings and a time are always JSON
	changes := map[string][]byte{key: value}
	if empty || len(value) > maxRecord {
		delete(m.records, key)
		changes[key] = nil
	} else {
		if !known {
			changes[m.makeRoom(maxOfPerson, func(o gathered) bool { return o.Person == g.Person })] = nil
			changes[m.makeRoom(maxRemembered, func(gathered) bool { return true })] = nil
			delete(changes, "")
		}
		m.records[key] = g
	}
	var list []oauth.Change
	for key, value := range changes {
		list = append(list, oauth.Change{Bucket: Bucket, Key: key, Value: value})
	}
	if err := m.saver.Save(list); err != nil { // the sessions go on; only a restart would show
		m.log.Warn("what transport sessions asked for was not saved", "cause", err)
	}
}

// makeRoom forgets the oldest record that matches, if there are limit of them,
// and returns its key. The lock is held.
func (m *Memory) makeRoom(limit int, match func(gathered) bool) (oldest string) {
	count := 0
	for key, g := range m.records {
		if match(g) {
			count++
			if oldest == "" || g.Used.Before(m.records[oldest].Used) {
				oldest = key
			}
		}
	}
	if count < limit {
		return ""
	}
	delete(m.records, oldest)
	return oldest
}

func (m *Memory) load(id string) gathered {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[digest(id)]
}
