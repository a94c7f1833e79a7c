// Package oauth holds Drawbridge's grants and the rules by which they begin,
// are used and end. It serves no HTTP and touches no disk: it is told who the
// person is, and asks a [Saver] to make changes last. Start at [Grants].
package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Options is what [Grants] are made of. All but StaticClientID and Ended are required.
type Options struct {
	DataKey        []byte   // 32 bytes; every other key is derived from it
	Resources      []string // our MCP URLs, canonical (no slash at the end); the first is the default
	Issuer         string   // the OpenID provider's issuer; grants of another one end
	Scopes         []string // that may be granted, as configured for the provider
	Redirects      RedirectPolicy
	StaticClientID string // a client known in advance: the one at the provider, which people paste
	NoRegistration bool   // clients that registered here count only if somebody has signed in with them
	Access         AccessList
	AccessTTL      time.Duration
	RefreshTTL     time.Duration
	Trusted        []string      // issuers whose assertions count
	AssertedTTL    time.Duration // life of a session that began with an assertion, from each on
	Provider       Provider
	Saver          Saver
	Recorder       Recorder
	Ended          func(reasons map[string]string) // is told of sessions that have ended, and why, and must not block; nil: nobody is told
	Now            func() time.Time
	Log            *slog.Logger
}

// Records is how [Grants] are filled at start.
type Records interface {
	// Load calls fn with each record of bucket, in no order.
	Load(bucket string, fn func(key string, value []byte) error) error
}

// Grants holds every grant, client, consent, pending flow and code. Its methods
// are the verbs of the protocol, each atomic: check, change, save, record.
// They are safe for concurrent use.
type Grants struct {
	opts      Options
	tokenKey  *sealer
	clientKey *sealer
	secretKey *sealer
	presented *Once // assertions
	access    atomic.Pointer[AccessList]
	resources atomic.Pointer[[]string]
	newExpiry chan struct{} // a grant was added that may end before the sweeper looks again
	newUse    chan struct{} // a counter has changed
	newRevoke chan struct{} // a provider's refresh token waits to be revoked

	owner sync.Mutex // held while clients are added, rotated, deleted

	mu          sync.RWMutex // guards the maps; never held while saving or asking the provider
	grants      map[grantID]*grant
	clients     map[string]clientRecord
	consents    map[string]consentRecord
	revocations map[string]revocation
	known       map[string]knownClient
	placed      map[place]*grant // sessions that began without a page, of which each place has one
	blocks      map[party]block
	codes       map[string]*code
	flows       flowTable
	dirty       []*grant     // used since the last write
	unsaved     []unsavedEnd // oldest first
}

// New returns the grants of records. Those that the configuration no
// longer allows (another provider, another MCP URL, a person taken off the
// access list) end here.
func New(opts Options, records Records) (*Grants, error) {
	if opts.Ended == nil {
		opts.Ended = func(map[string]string) {}
	}
	s := &Grants{
		opts: opts, newExpiry: make(chan struct{}, 1), newUse: make(chan struct{}, 1), newRevoke: make(chan struct{}, 1),
		grants: map[grantID]*grant{}, clients: map[string]clientRecord{}, consents: map[string]consentRecord{},
		revocations: map[string]revocation{}, known: map[string]knownClient{}, placed: map[place]*grant{}, blocks: map[party]block{},
		presented: NewOnce(maxAssertions, maxAssertionsEach), codes: map[string]*code{}, flows: newFlowTable(),
	}
	s.presented.kept = true
	s.access.Store(&opts.Access)
	s.SetResources(opts.Resources)
	var err error
	if s.tokenKey, err = newSealer(opts.DataKey, "drawbridge token v1"); err != nil {
		return nil, fmt.Errorf("derive token key: %w", err)
	}
	if s.clientKey, err = newSealer(opts.DataKey, "drawbridge client id v1"); err != nil {
		return nil, fmt.Errorf("derive client key: %w", err)
	}
	if s.secretKey, err = newSealer(opts.DataKey, "drawbridge client secret v1"); err != nil {
		return nil, fmt.Errorf("derive client secret key: %w", err)
	}
	var scopes []string // of the grant before: nearly all have the same
	err = errors.Join(
		load(records, BucketGrants, func(_ string, r Grant) {
			if slices.Equal(r.Scopes, scopes) {
				r.Scopes = scopes
			}
			scopes = r.Scopes
			if id, ok := parseGrantID(r.ID); ok {
				g := newGrant(id, r)
				s.grants[id] = g
				if r.Through != "" {
					s.placed[g.record().place()] = g
				}
			}
		}),
		load(records, BucketClients, func(key string, r clientRecord) { s.clients[key] = r }),
		load(records, BucketConsents, func(key string, r consentRecord) { s.consents[key] = r }),
		load(records, BucketRevocations, func(key string, r revocation) { s.revocations[key] = r }),
		load(records, BucketKnown, func(key string, r knownClient) { s.known[key] = r }),
		load(records, BucketBlocks, func(_ string, r block) { s.blocks[r.Party] = r }),
		load(records, BucketAssertions, func(key string, r usedAssertion) { s.presented.add(key, r.By, r.Until) }),
	)
	if err != nil {
		return nil, err
	}
	if err := s.endWhere(s.disallowed); err != nil {
		return nil, err
	}
	if stale := s.staleClients(opts.Now()); len(stale) > 0 {
		if err := opts.Saver.Save(stale); err != nil {
			return nil, err
		}
		for _, c := range stale {
			delete(s.clients, c.Key)
		}
	}
	return s, nil
}

// load reads every record of a bucket as a T.
func load[T any](records Records, bucket string, keep func(key string, r T)) error {
	return records.Load(bucket, func(key string, value []byte) error {
		var r T
		if err := ReadRecord(bucket, value, &r); err != nil {
			return err
		}
		keep(key, r)
		return nil
	})
}

// ErrNewerRecord means that a newer Drawbridge wrote a record.
var ErrNewerRecord = errors.New("the state file holds what a newer version of Drawbridge wrote")

// ReadRecord reads a record of a bucket, whose first member is its version, 1. A
// newer one is [ErrNewerRecord], in a sentence: saved again, it would lose what is
// not known here.
func ReadRecord(bucket string, value []byte, record any) error {
	var of struct {
		Version int `json:"v"`
	}
	if !bytes.HasPrefix(value, []byte(`{"v":1,`)) { // as each of ours begins
		_ = json.Unmarshal(value, &of) // what is no JSON is found below
	}
	err := json.Unmarshal(value, record)
	switch {
	case of.Version > 1:
		return fmt.Errorf("%w (in %s). Update Drawbridge, or put back a backup of before: nothing was changed", ErrNewerRecord, bucket)
	case err != nil:
		return fmt.Errorf("read a record of %s: %w", bucket, err)
	}
	return nil
}

// endWhere ends the grants for which why says why.
func (s *Grants) endWhere(why func(*Grant) string) error {
	over := slices.DeleteFunc(s.all(), func(g *grant) bool { return why(g.record()) == "" })
	_, err := s.endAll(over, func(r *Grant) ending {
		return ending{typ: status.SessionRevoked, reason: why(r), block: !r.Leaving.IsZero()}
	})
	return err
}

// disallowed says why a grant is not taken over at a start, or "".
func (s *Grants) disallowed(r *Grant) string {
	switch {
	case !r.Leaving.IsZero():
		return ByOwner
	case r.Provider != s.opts.Issuer:
		return "the sign-in provider was changed"
	case origin(r.Resource) != origin((*s.resources.Load())[0]):
		return "the MCP URL was changed"
	case r.Generation == 0:
		return unfinished(r)
	case r.Through == status.Enterprise && !slices.Contains(s.opts.Trusted, r.Identity.Issuer):
		return "the provider's assertions are not taken any more ([enterprise] in config.toml)"
	}
	return s.access.Load().bars(r)
}

// unfinished says that nobody redeemed the code of a grant, or "".
func unfinished(r *Grant) string {
	if r.Generation == 0 {
		return "the sign-in was never finished"
	}
	return ""
}

// Close ends the sign-ins that are in memory alone, since nobody redeemed their
// codes: what the provider gave for them is revoked at the next start.
func (s *Grants) Close() {
	if err := s.endWhere(unfinished); err != nil {
		s.opts.Log.Warn("unfinished sign-ins not ended", "cause", err)
	}
}

// Run does what has to be done in time: ends what has expired, writes counters,
// revokes at the provider. It returns when ctx ends, after a last write.
func (s *Grants) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.sweep(ctx) })
	wg.Go(func() { s.countUse(ctx) })
	wg.Go(func() { s.revokeUpstream(ctx) })
	wg.Wait()
	s.writeUsage()
}

// change makes the record of a save.
func change(bucket, key string, record any) Change {
	value, err := json.Marshal(record)
	if err != nil { // our own types: strings, numbers and times
		panic(fmt.Sprintf("oauth: a record of %s can't be written: %v", bucket, err))
	}
	return Change{Bucket: bucket, Key: key, Value: value}
}
